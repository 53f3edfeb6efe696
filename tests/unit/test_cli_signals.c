/* The handler has a stack of its own: generated code moves the stack pointer elsewhere. */
#include <signal.h>

#include "cli/command.h"
#include "tests/check.h"

int main(void) {
    const volatile int *stop = bl_cli_watch_signals();
    static const int signals[] = {SIGINT, SIGTERM};
    stack_t stack;
    CHECK_EQ(sigaltstack(NULL, &stack), 0);
    CHECK(!(stack.ss_flags & SS_DISABLE) && stack.ss_size >= 1 << 16);
    for (int i = 0; i < 2; i++) {
        struct sigaction now;
        CHECK_EQ(sigaction(signals[i], NULL, &now), 0);
        CHECK(now.sa_flags & SA_ONSTACK);
        CHECK(now.sa_flags & (int)SA_RESETHAND); /* the second one ends the program */
    }
    CHECK_EQ(*stop, 0);
    raise(SIGTERM);
    CHECK_EQ(*stop, SIGTERM);
    return 0;
}
