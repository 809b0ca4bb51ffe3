// A global that tells of its beginning and of its end.
extern "C" void starting_global_begins();
extern "C" void starting_global_ends();

namespace {

struct Global {
    Global() { starting_global_begins(); }
    ~Global() { starting_global_ends(); }
};

__attribute__((init_priority(300))) Global global;

} // namespace
