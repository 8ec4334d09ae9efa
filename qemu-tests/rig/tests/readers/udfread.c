/* Prints every file of a UDF image by libudfread's functions: path, NUL, size, NUL, bytes. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <udfread/udfread.h>

static int visit(UDFDIR *dir, const char *path) {
    struct udfread_dirent entry;
    while (udfread_readdir(dir, &entry)) {
        char below[8192];
        if (!strcmp(entry.d_name, ".") || !strcmp(entry.d_name, ".."))
            continue;
        snprintf(below, sizeof below, "%s/%s", path, entry.d_name);
        if (entry.d_type == UDF_DT_DIR) {
            UDFDIR *inner = udfread_opendir_at(dir, entry.d_name);
            if (!inner || visit(inner, below))
                return 1;
            udfread_closedir(inner);
        } else {
            static char buffer[1 << 20];
            UDFFILE *file = udfread_file_openat(dir, entry.d_name);
            int64_t left = file ? udfread_file_size(file) : -1;
            if (left < 0)
                return 1;
            printf("%s%c%" PRId64 "%c", below, 0, left, 0);
            while (left > 0) {
                ssize_t count = udfread_file_read(file, buffer, left < (int64_t)sizeof buffer ? left : (int64_t)sizeof buffer);
                if (count <= 0)
                    return 1;
                fwrite(buffer, 1, count, stdout);
                left -= count;
            }
            udfread_file_close(file);
        }
    }
    return 0;
}

int main(int argc, char **argv) {
    udfread *udf = udfread_init();
    if (argc != 2 || !udf || udfread_open(udf, argv[1]) < 0)
        return 1;
    UDFDIR *root = udfread_opendir(udf, "/");
    return !root || visit(root, "") || fflush(stdout);
}
