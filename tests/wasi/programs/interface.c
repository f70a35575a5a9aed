// Refers to every function that wasi-libc declares, and prints its constants and record layouts:
// what the table of functions and the layouts of the host are compared with.
#include <stddef.h>
#include <stdio.h>
#include <wasi/api.h>

void *volatile functions[] = {
    (void *)__wasi_args_get,
    (void *)__wasi_args_sizes_get,
    (void *)__wasi_environ_get,
    (void *)__wasi_environ_sizes_get,
    (void *)__wasi_clock_res_get,
    (void *)__wasi_clock_time_get,
    (void *)__wasi_fd_advise,
    (void *)__wasi_fd_allocate,
    (void *)__wasi_fd_close,
    (void *)__wasi_fd_datasync,
    (void *)__wasi_fd_fdstat_get,
    (void *)__wasi_fd_fdstat_set_flags,
    (void *)__wasi_fd_fdstat_set_rights,
    (void *)__wasi_fd_filestat_get,
    (void *)__wasi_fd_filestat_set_size,
    (void *)__wasi_fd_filestat_set_times,
    (void *)__wasi_fd_pread,
    (void *)__wasi_fd_prestat_get,
    (void *)__wasi_fd_prestat_dir_name,
    (void *)__wasi_fd_pwrite,
    (void *)__wasi_fd_read,
    (void *)__wasi_fd_readdir,
    (void *)__wasi_fd_renumber,
    (void *)__wasi_fd_seek,
    (void *)__wasi_fd_sync,
    (void *)__wasi_fd_tell,
    (void *)__wasi_fd_write,
    (void *)__wasi_path_create_directory,
    (void *)__wasi_path_filestat_get,
    (void *)__wasi_path_filestat_set_times,
    (void *)__wasi_path_link,
    (void *)__wasi_path_open,
    (void *)__wasi_path_readlink,
    (void *)__wasi_path_remove_directory,
    (void *)__wasi_path_rename,
    (void *)__wasi_path_symlink,
    (void *)__wasi_path_unlink_file,
    (void *)__wasi_poll_oneoff,
    (void *)__wasi_proc_exit,
    (void *)__wasi_sched_yield,
    (void *)__wasi_random_get,
    (void *)__wasi_sock_accept,
    (void *)__wasi_sock_recv,
    (void *)__wasi_sock_send,
    (void *)__wasi_sock_shutdown,
};

#define VALUE(name) printf("%s %llu\n", #name, (unsigned long long)__WASI_##name)
#define SIZE(type) printf("sizeof(%s) %zu\n", #type, sizeof(__wasi_##type##_t))
#define OFFSET(type, field) printf("%s.%s %zu\n", #type, #field, offsetof(__wasi_##type##_t, field))

int main(void) {
    VALUE(CLOCKID_REALTIME);
    VALUE(CLOCKID_MONOTONIC);
    VALUE(CLOCKID_PROCESS_CPUTIME_ID);
    VALUE(CLOCKID_THREAD_CPUTIME_ID);
    VALUE(ERRNO_SUCCESS);
    VALUE(ERRNO_2BIG);
    VALUE(ERRNO_ACCES);
    VALUE(ERRNO_ADDRINUSE);
    VALUE(ERRNO_ADDRNOTAVAIL);
    VALUE(ERRNO_AFNOSUPPORT);
    VALUE(ERRNO_AGAIN);
    VALUE(ERRNO_ALREADY);
    VALUE(ERRNO_BADF);
    VALUE(ERRNO_BADMSG);
    VALUE(ERRNO_BUSY);
    VALUE(ERRNO_CANCELED);
    VALUE(ERRNO_CHILD);
    VALUE(ERRNO_CONNABORTED);
    VALUE(ERRNO_CONNREFUSED);
    VALUE(ERRNO_CONNRESET);
    VALUE(ERRNO_DEADLK);
    VALUE(ERRNO_DESTADDRREQ);
    VALUE(ERRNO_DOM);
    VALUE(ERRNO_DQUOT);
    VALUE(ERRNO_EXIST);
    VALUE(ERRNO_FAULT);
    VALUE(ERRNO_FBIG);
    VALUE(ERRNO_HOSTUNREACH);
    VALUE(ERRNO_IDRM);
    VALUE(ERRNO_ILSEQ);
    VALUE(ERRNO_INPROGRESS);
    VALUE(ERRNO_INTR);
    VALUE(ERRNO_INVAL);
    VALUE(ERRNO_IO);
    VALUE(ERRNO_ISCONN);
    VALUE(ERRNO_ISDIR);
    VALUE(ERRNO_LOOP);
    VALUE(ERRNO_MFILE);
    VALUE(ERRNO_MLINK);
    VALUE(ERRNO_MSGSIZE);
    VALUE(ERRNO_MULTIHOP);
    VALUE(ERRNO_NAMETOOLONG);
    VALUE(ERRNO_NETDOWN);
    VALUE(ERRNO_NETRESET);
    VALUE(ERRNO_NETUNREACH);
    VALUE(ERRNO_NFILE);
    VALUE(ERRNO_NOBUFS);
    VALUE(ERRNO_NODEV);
    VALUE(ERRNO_NOENT);
    VALUE(ERRNO_NOEXEC);
    VALUE(ERRNO_NOLCK);
    VALUE(ERRNO_NOLINK);
    VALUE(ERRNO_NOMEM);
    VALUE(ERRNO_NOMSG);
    VALUE(ERRNO_NOPROTOOPT);
    VALUE(ERRNO_NOSPC);
    VALUE(ERRNO_NOSYS);
    VALUE(ERRNO_NOTCONN);
    VALUE(ERRNO_NOTDIR);
    VALUE(ERRNO_NOTEMPTY);
    VALUE(ERRNO_NOTRECOVERABLE);
    VALUE(ERRNO_NOTSOCK);
    VALUE(ERRNO_NOTSUP);
    VALUE(ERRNO_NOTTY);
    VALUE(ERRNO_NXIO);
    VALUE(ERRNO_OVERFLOW);
    VALUE(ERRNO_OWNERDEAD);
    VALUE(ERRNO_PERM);
    VALUE(ERRNO_PIPE);
    VALUE(ERRNO_PROTO);
    VALUE(ERRNO_PROTONOSUPPORT);
    VALUE(ERRNO_PROTOTYPE);
    VALUE(ERRNO_RANGE);
    VALUE(ERRNO_ROFS);
    VALUE(ERRNO_SPIPE);
    VALUE(ERRNO_SRCH);
    VALUE(ERRNO_STALE);
    VALUE(ERRNO_TIMEDOUT);
    VALUE(ERRNO_TXTBSY);
    VALUE(ERRNO_XDEV);
    VALUE(ERRNO_NOTCAPABLE);
    VALUE(RIGHTS_FD_DATASYNC);
    VALUE(RIGHTS_FD_READ);
    VALUE(RIGHTS_FD_SEEK);
    VALUE(RIGHTS_FD_FDSTAT_SET_FLAGS);
    VALUE(RIGHTS_FD_SYNC);
    VALUE(RIGHTS_FD_TELL);
    VALUE(RIGHTS_FD_WRITE);
    VALUE(RIGHTS_FD_ADVISE);
    VALUE(RIGHTS_FD_ALLOCATE);
    VALUE(RIGHTS_PATH_CREATE_DIRECTORY);
    VALUE(RIGHTS_PATH_CREATE_FILE);
    VALUE(RIGHTS_PATH_LINK_SOURCE);
    VALUE(RIGHTS_PATH_LINK_TARGET);
    VALUE(RIGHTS_PATH_OPEN);
    VALUE(RIGHTS_FD_READDIR);
    VALUE(RIGHTS_PATH_READLINK);
    VALUE(RIGHTS_PATH_RENAME_SOURCE);
    VALUE(RIGHTS_PATH_RENAME_TARGET);
    VALUE(RIGHTS_PATH_FILESTAT_GET);
    VALUE(RIGHTS_PATH_FILESTAT_SET_SIZE);
    VALUE(RIGHTS_PATH_FILESTAT_SET_TIMES);
    VALUE(RIGHTS_FD_FILESTAT_GET);
    VALUE(RIGHTS_FD_FILESTAT_SET_SIZE);
    VALUE(RIGHTS_FD_FILESTAT_SET_TIMES);
    VALUE(RIGHTS_PATH_SYMLINK);
    VALUE(RIGHTS_PATH_REMOVE_DIRECTORY);
    VALUE(RIGHTS_PATH_UNLINK_FILE);
    VALUE(RIGHTS_POLL_FD_READWRITE);
    VALUE(RIGHTS_SOCK_SHUTDOWN);
    VALUE(RIGHTS_SOCK_ACCEPT);
    VALUE(FILETYPE_UNKNOWN);
    VALUE(FILETYPE_BLOCK_DEVICE);
    VALUE(FILETYPE_CHARACTER_DEVICE);
    VALUE(FILETYPE_DIRECTORY);
    VALUE(FILETYPE_REGULAR_FILE);
    VALUE(FILETYPE_SOCKET_DGRAM);
    VALUE(FILETYPE_SOCKET_STREAM);
    VALUE(FILETYPE_SYMBOLIC_LINK);
    VALUE(FDFLAGS_APPEND);
    VALUE(FDFLAGS_DSYNC);
    VALUE(FDFLAGS_NONBLOCK);
    VALUE(FDFLAGS_RSYNC);
    VALUE(FDFLAGS_SYNC);
    VALUE(EVENTTYPE_CLOCK);
    VALUE(EVENTTYPE_FD_READ);
    VALUE(EVENTTYPE_FD_WRITE);
    VALUE(SUBCLOCKFLAGS_SUBSCRIPTION_CLOCK_ABSTIME);
    VALUE(EVENTRWFLAGS_FD_READWRITE_HANGUP);
    SIZE(iovec);
    SIZE(fdstat);
    SIZE(filestat);
    SIZE(subscription);
    SIZE(subscription_clock);
    SIZE(event);
    OFFSET(fdstat, fs_filetype);
    OFFSET(fdstat, fs_flags);
    OFFSET(fdstat, fs_rights_base);
    OFFSET(fdstat, fs_rights_inheriting);
    OFFSET(filestat, dev);
    OFFSET(filestat, ino);
    OFFSET(filestat, filetype);
    OFFSET(filestat, nlink);
    OFFSET(filestat, size);
    OFFSET(filestat, atim);
    OFFSET(filestat, mtim);
    OFFSET(filestat, ctim);
    OFFSET(subscription, userdata);
    OFFSET(subscription, u.tag);
    OFFSET(subscription, u.u);
    OFFSET(subscription_clock, id);
    OFFSET(subscription_clock, timeout);
    OFFSET(subscription_clock, precision);
    OFFSET(subscription_clock, flags);
    OFFSET(event, userdata);
    OFFSET(event, error);
    OFFSET(event, type);
    OFFSET(event, fd_readwrite.nbytes);
    OFFSET(event, fd_readwrite.flags);
    return functions[0] == NULL;
}
