//! What `word_count` and `pipeline` share: the text files of a folder.

use std::path::{Path, PathBuf};

use walkdir::WalkDir;

/// Finds the `.md`, `.rs`, `.toml` and `.txt` files below `folder`, leaving out folders named `.git` and `target`.
pub(crate) fn text_files(folder: &Path) -> walkdir::Result<Vec<PathBuf>> {
    let skipped = |name: &str| name == ".git" || name == "target";
    let wanted = |name: &str| [".md", ".rs", ".toml", ".txt"].iter().any(|ending| name.ends_with(ending));

    let mut files = Vec::new();
    let entries = WalkDir::new(folder).into_iter();
    for entry in entries.filter_entry(|entry| entry.depth() == 0 || !skipped(&entry.file_name().to_string_lossy())) {
        let entry = entry?;
        if entry.file_type().is_file() && wanted(&entry.file_name().to_string_lossy()) {
            files.push(entry.into_path());
        }
    }
    Ok(files)
}
