// One process, many images: exec_chain [IMAGES]. Image i calls getppid FIRST + i times.
#include "expect.h"

#define IMAGES 5
#define FIRST  13

int main(int argc, char **argv) {
    long images = argument(argc, argv, 1, IMAGES), image = argument(argc, argv, 2, 0);
    if (image == 0) {
        expect("{'calls': {'getppid': %ld, 'execve': %ld, 'write': 1}, 'getppid_by_image': [",
               images * FIRST + images * (images - 1) / 2, images);
        for (long i = 0; i < images; i++)
            expect("%s%ld", i ? ", " : "", FIRST + i);
        expect("], 'processes': 1, 'threads': 1, 'images': %ld, 'exit_code': 0}", images);
        expect_print();
    }
    call_getppid(FIRST + image);
    if (image + 1 == images)
        return 0;
    char of[24], next[24];
    snprintf(of, sizeof(of), "%ld", images);
    snprintf(next, sizeof(next), "%ld", image + 1);
    execl("/proc/self/exe", argv[0], of, next, NULL);
    die("execl");
}
