pub(crate) struct Capabilities {
    pub(crate) entry_before_main: bool,
    pub(crate) forked_starts: bool,
}
