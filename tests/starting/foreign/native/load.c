/* A foreign program: loads the library that it is given and calls it. */
#include <dlfcn.h>
#include <stdio.h>

int main(int count, char **arguments) {
    void *library = count > 1 ? dlopen(arguments[1], RTLD_NOW) : NULL;
    if (!library) {
        fprintf(stderr, "%s\n", dlerror());
        return 2;
    }
    int (*call)(void) = (int (*)(void))dlsym(library, "call");
    if (!call) {
        fprintf(stderr, "%s\n", dlerror());
        return 2;
    }
    return call();
}
