// A global whose constructor runs before `main`, linked twice: once to run before the constructor of `parallel`, once
// to run behind it. In a worker only, it misbehaves as the environment says.
#include <cstdlib>
#include <fcntl.h>
#include <string>
#include <sys/mman.h>
#include <thread>
#include <unistd.h>

#define TEXT_OF(word) #word
#define TEXT(word) TEXT_OF(word)
#define JOIN_OF(one, two) one##two
#define JOIN(one, two) JOIN_OF(one, two)

#ifdef FIRST
// Runs ahead of constructors without a priority.
#define PRIORITY __attribute__((init_priority(200)))
extern "C" {
int starting_is_worker = 0;
}
#else
#define PRIORITY
extern "C" int starting_is_worker;
#endif

namespace {

void misbehave(const char *variable) {
    const char *how = getenv(variable);
    std::string wanted = how ? how : "";
    if (wanted == "hang") {
        for (;;) pause();
    } else if (wanted == "exit") {
        _exit(3);
    } else if (wanted == "abort") {
        abort();
    } else if (wanted == "thread") {
        std::thread([] { for (;;) pause(); }).detach();
    } else if (wanted == "descriptor") {
        if (open("/dev/null", O_RDONLY | O_CLOEXEC) < 0) _exit(5);
    } else if (wanted == "shared") {
        if (mmap(nullptr, 4096, PROT_READ, MAP_SHARED | MAP_ANONYMOUS, -1, 0) == MAP_FAILED) _exit(6);
    } else if (wanted == "start") {
        // A program that starts itself, at a time when the token is still there.
        std::string self = "\"" + std::string("/proc/self/exe") + "\"";
        unsetenv(variable);
        setenv("STARTING_STARTED", "1", 1);
        if (vfork() == 0) {
            execl("/proc/self/exe", "handed-on", "nothing", static_cast<char *>(nullptr));
            _exit(127);
        }
    }
}

struct Global {
    std::string text;
    bool token;

    Global() : text("constructed ") {
        token = getenv("PARALLEL_WORKER") != nullptr;
#ifdef FIRST
        starting_is_worker = token;
        const char *count = getenv("STARTING_COUNT");
        if (token && count) {
            int file = open(count, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
            if (write(file, ".", 1) != 1) _exit(4);
            close(file);
        }
#endif
        text += TEXT(PLACE);
        if (starting_is_worker) misbehave("STARTING_" TEXT(PLACE));
    }
};

PRIORITY Global global;

} // namespace

extern "C" const char *JOIN(text_, PLACE)() { return global.text.c_str(); }
extern "C" int JOIN(token_, PLACE)() { return global.token; }
