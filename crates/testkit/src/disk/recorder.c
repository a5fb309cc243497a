/* Records what a process does to the files below one directory, and makes calls fail on order.
 *
 * Loaded with LD_PRELOAD. A seccomp filter turns each system call that changes or syncs a file into
 * SIGSYS, and the handler makes the call and writes down what it did. Libraries that call the system
 * without libc are seen like all others, which replaced functions would miss.
 *
 * MUSTER_DISK_ROOT    the directory, as an absolute path without links
 * MUSTER_DISK_LOG     the file to append records to; none are written without it
 * MUSTER_DISK_FAULTS  while this file exists calls fail: "KIND ERRNO AFTER PART", see fault()
 *
 * A record: the numbers of struct head, the path, the second path, the data. Paths are relative to
 * the directory. Records stand in the order in which the calls were made: one call is made at a
 * time, but for syncs, of which begin and end are records of their own.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <ucontext.h>
#include <unistd.h>
#include <linux/filter.h>
#include <linux/seccomp.h>

/* In the sixth argument, which no traced call uses, it marks the recorder's own calls. */
#define OWN 0x6d75737465726469UL
#define call(nr, a, b, c, d, e) syscall(nr, a, b, c, d, e, OWN)

#if defined(__x86_64__)
#define NUMBER(u) (u)->uc_mcontext.gregs[REG_RAX]
#define RESULT(u) (u)->uc_mcontext.gregs[REG_RAX]
#define A0(u) (u)->uc_mcontext.gregs[REG_RDI]
#define A1(u) (u)->uc_mcontext.gregs[REG_RSI]
#define A2(u) (u)->uc_mcontext.gregs[REG_RDX]
#define A3(u) (u)->uc_mcontext.gregs[REG_R10]
#define A4(u) (u)->uc_mcontext.gregs[REG_R8]
#elif defined(__aarch64__)
#define NUMBER(u) (u)->uc_mcontext.regs[8]
#define RESULT(u) (u)->uc_mcontext.regs[0]
#define A0(u) (u)->uc_mcontext.regs[0]
#define A1(u) (u)->uc_mcontext.regs[1]
#define A2(u) (u)->uc_mcontext.regs[2]
#define A3(u) (u)->uc_mcontext.regs[3]
#define A4(u) (u)->uc_mcontext.regs[4]
#else
#error "the recorder knows the registers of x86_64 and aarch64 only"
#endif

struct head {
	uint32_t kind; /* a letter */
	uint32_t path, second, data; /* lengths in bytes */
	uint64_t number; /* offset, length or number of the sync */
};

static char root[PATH_MAX], faults[PATH_MAX];
static size_t root_length;
static int log_fd = -1;
static char locked;
static uint64_t syncs, matched;

static void lock(void) { while (__atomic_test_and_set(&locked, __ATOMIC_ACQUIRE)) sched_yield(); }
static void unlock(void) { __atomic_clear(&locked, __ATOMIC_RELEASE); }

static void fail(const char *why)
{
	call(SYS_write, 2, why, strlen(why), 0, 0);
	abort();
}

/* The part of a path below the root; NULL if it is elsewhere. The root itself is "". */
static const char *below(const char *path)
{
	if (strncmp(path, root, root_length)) return NULL;
	if (path[root_length] == '/') return path + root_length + 1;
	return path[root_length] ? NULL : path + root_length;
}

static int path_of_fd(int fd, char *path)
{
	char link[32];
	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	ssize_t n = readlink(link, path, PATH_MAX - 1);
	path[n < 0 ? 0 : n] = 0;
	return n > 0;
}

/* The path of an open file below the root; NULL for others and for those that have lost their name. */
static const char *named(int fd, char *path)
{
	if (!path_of_fd(fd, path)) return NULL;
	size_t n = strlen(path);
	if (n > 10 && !strcmp(path + n - 10, " (deleted)")) return NULL;
	return below(path);
}

static const char *at(int dir, const char *name, char *path)
{
	if (!name) return NULL;
	if (name[0] == '/') return below(strncpy(path, name, PATH_MAX - 1));
	if (dir == AT_FDCWD ? !getcwd(path, PATH_MAX) : !path_of_fd(dir, path)) return NULL;
	size_t n = strlen(path);
	snprintf(path + n, PATH_MAX - n, "/%s", name);
	return below(path);
}

static void record(char kind, const char *path, const char *second, uint64_t number,
	const void *data, size_t length)
{
	if (log_fd < 0) return;
	struct head head = { kind, strlen(path), second ? strlen(second) : 0, length, number };
	struct iovec parts[] = {
		{ &head, sizeof head }, { (void *)path, head.path },
		{ (void *)second, head.second }, { (void *)data, length },
	};
	size_t whole = sizeof head + head.path + head.second + length;
	if (call(SYS_writev, log_fd, parts, 4, 0, 0) != (long)whole)
		fail("the disk recorder cannot write its log\n");
}

enum { SHORT = -1, HANG = -2 };

/* Whether a call of this kind on this path is to fail: the error, or 0, or SHORT for a short write, or
 * HANG for a sync that does not return. Kinds: "write" takes in what needs room, "sync" and "hang"
 * syncs, "change" all that a read-only file system refuses, "short" writes. AFTER such calls go well first, counted while the file is there. */
static int fault(const char *kind, int changes, const char *path)
{
	char text[512], wanted[16] = "", part[256] = "";
	int error = 0, after = 0;
	if (!faults[0]) return 0;
	int fd = call(SYS_openat, AT_FDCWD, faults, O_RDONLY | O_CLOEXEC, 0, 0);
	if (fd < 0) {
		matched = 0;
		return 0;
	}
	ssize_t n = read(fd, text, sizeof text - 1);
	close(fd);
	text[n < 0 ? 0 : n] = 0;
	if (sscanf(text, "%15s %d %d %255s", wanted, &error, &after, part) < 3) return 0;
	int is_short = !strcmp(wanted, "short") && !strcmp(kind, "write");
	int is_hang = !strcmp(wanted, "hang") && !strcmp(kind, "sync");
	int is_change = !strcmp(wanted, "change") && changes;
	if (strcmp(wanted, kind) && !is_change && !is_short && !is_hang) return 0;
	if (!strstr(path, part) || matched++ < (uint64_t)after) return 0;
	return is_short ? SHORT : is_hang ? HANG : error;
}

static long opened(int dir, const char *name, int flags, mode_t mode)
{
	char buffer[PATH_MAX] = "";
	const char *path = at(dir, name, buffer);
	if (!path || ((flags & O_ACCMODE) == O_RDONLY && !(flags & (O_CREAT | O_TRUNC))))
		return call(SYS_openat, dir, name, flags, mode, 0);
	struct stat before;
	int is_new = fstatat(dir, name, &before, 0) < 0;
	int makes = is_new && (flags & O_CREAT);
	if ((errno = fault(makes ? "write" : "open", 1, path)) > 0) return -1;
	long fd = call(SYS_openat, dir, name, flags, mode, 0);
	if (fd >= 0 && makes) record('C', path, NULL, 0, NULL, 0);
	else if (fd >= 0 && (flags & O_TRUNC)) record('T', path, NULL, 0, NULL, 0);
	return fd;
}

/* One write of the buffer; `offset` is -1 for the file's own place. */
static long written(int fd, const void *data, size_t length, int64_t offset)
{
	char buffer[PATH_MAX];
	const char *path = named(fd, buffer);
	long n;
	if (path && length > 0) {
		int error = fault("write", 1, path);
		if (error > 0) return errno = error, -1;
		if (error == SHORT && length > 1) length /= 2;
	}
	struct stat before = { 0 };
	if (path && (fcntl(fd, F_GETFL) & O_APPEND)) {
		fstat(fd, &before);
		n = call(SYS_write, fd, data, length, 0, 0);
		offset = before.st_size;
	} else if (offset >= 0) {
		n = call(SYS_pwrite64, fd, data, length, offset, 0);
	} else {
		offset = path ? lseek(fd, 0, SEEK_CUR) : 0;
		n = call(SYS_write, fd, data, length, 0, 0);
	}
	if (path && n > 0) record('W', path, NULL, offset, data, n);
	return n;
}

static long written_parts(int fd, const struct iovec *parts, int count, int64_t offset)
{
	long all = 0;
	for (int i = 0; i < count; i++) {
		long n = written(fd, parts[i].iov_base, parts[i].iov_len, offset < 0 ? offset : offset + all);
		if (n < 0) return all ? all : n;
		all += n;
		if ((size_t)n < parts[i].iov_len) break;
	}
	return all;
}

static long lengthened(long nr, int fd, long a, long b, long c)
{
	char buffer[PATH_MAX];
	struct stat after;
	const char *path = named(fd, buffer);
	if (path && (errno = fault("write", 1, path)) > 0) return -1;
	long result = call(nr, fd, a, b, c, 0);
	if (path && result == 0 && fstat(fd, &after) == 0)
		record('T', path, NULL, after.st_size, NULL, 0);
	return result;
}

/* A change of names: with two of them, or one. */
static long renamed(char kind, long nr, long a, long b, long c, long d, long e,
	int dir, const char *name, int second_dir, const char *second_name)
{
	char buffer[PATH_MAX] = "", second_buffer[PATH_MAX] = "";
	const char *path = at(dir, name, buffer);
	const char *second = second_name ? at(second_dir, second_name, second_buffer) : NULL;
	const char *needs = kind == 'M' ? "write" : "name";
	if (path && (errno = fault(needs, 1, path)) > 0) return -1;
	if (second && (errno = fault(needs, 1, second)) > 0) return -1;
	long result = call(nr, a, b, c, d, e);
	if (result < 0 || (!path && !second)) return result;
	if (!path || (second_name && !second)) fail("a name crosses the recorded directory's edge\n");
	record(kind, path, second, 0, NULL, 0);
	return result;
}

static long synced(long nr, int fd)
{
	char buffer[PATH_MAX];
	const char *path = named(fd, buffer);
	while (path && (errno = fault("sync", 0, path)) != 0) {
		if (errno > 0) return -1;
		unlock();
		usleep(10000);
		lock();
	}
	if (!path) return call(nr, fd, 0, 0, 0, 0);
	uint64_t number = syncs++;
	record('B', path, NULL, number, NULL, 0);
	unlock();
	long result = call(nr, fd, 0, 0, 0, 0);
	lock();
	if (result == 0) record('E', "", NULL, number, NULL, 0);
	return result;
}

static long carry_out(long nr, long a, long b, long c, long d, long e)
{
	switch (nr) {
#ifdef SYS_open
	case SYS_open: return opened(AT_FDCWD, (char *)a, b, c);
	case SYS_creat: return opened(AT_FDCWD, (char *)a, O_CREAT | O_WRONLY | O_TRUNC, b);
	case SYS_rename: return renamed('R', nr, a, b, 0, 0, 0, AT_FDCWD, (char *)a, AT_FDCWD, (char *)b);
	case SYS_link: return renamed('L', nr, a, b, 0, 0, 0, AT_FDCWD, (char *)a, AT_FDCWD, (char *)b);
	case SYS_unlink: return renamed('U', nr, a, 0, 0, 0, 0, AT_FDCWD, (char *)a, 0, NULL);
	case SYS_rmdir: return renamed('D', nr, a, 0, 0, 0, 0, AT_FDCWD, (char *)a, 0, NULL);
	case SYS_mkdir: return renamed('M', nr, a, b, 0, 0, 0, AT_FDCWD, (char *)a, 0, NULL);
#endif
#ifdef SYS_renameat
	case SYS_renameat: return renamed('R', nr, a, b, c, d, 0, a, (char *)b, c, (char *)d);
#endif
	case SYS_renameat2: return renamed('R', nr, a, b, c, d, e, a, (char *)b, c, (char *)d);
	case SYS_linkat: return renamed('L', nr, a, b, c, d, e, a, (char *)b, c, (char *)d);
	case SYS_unlinkat: return renamed(c & AT_REMOVEDIR ? 'D' : 'U', nr, a, b, c, 0, 0, a, (char *)b, 0, NULL);
	case SYS_mkdirat: return renamed('M', nr, a, b, c, 0, 0, a, (char *)b, 0, NULL);
	case SYS_openat: return opened(a, (char *)b, c, d);
	case SYS_write: return written(a, (void *)b, c, -1);
	case SYS_pwrite64: return written(a, (void *)b, c, d);
	case SYS_writev: return written_parts(a, (void *)b, c, -1);
	case SYS_pwritev: case SYS_pwritev2: return written_parts(a, (void *)b, c, d);
	case SYS_ftruncate: return lengthened(nr, a, b, 0, 0);
	case SYS_fallocate: return lengthened(nr, a, b, c, d);
	case SYS_fsync: case SYS_fdatasync: return synced(nr, a);
	}
	/* Their callers have another way, by calls that are recorded. */
	return errno = ENOSYS, -1;
}

static void on_call(int signal, siginfo_t *info, void *context)
{
	ucontext_t *u = context;
	int saved = errno;
	(void)signal, (void)info;
	lock();
	long result = carry_out(NUMBER(u), A0(u), A1(u), A2(u), A3(u), A4(u));
	RESULT(u) = result < 0 ? -errno : result;
	unlock();
	errno = saved;
}

static const int traced[] = {
#ifdef SYS_open
	SYS_open, SYS_creat, SYS_rename, SYS_link, SYS_unlink, SYS_rmdir, SYS_mkdir,
#endif
#ifdef SYS_renameat
	SYS_renameat,
#endif
	SYS_renameat2, SYS_linkat, SYS_unlinkat, SYS_mkdirat, SYS_openat, SYS_write, SYS_pwrite64,
	SYS_writev, SYS_pwritev, SYS_pwritev2, SYS_ftruncate, SYS_fallocate, SYS_fsync, SYS_fdatasync,
	/* Refused. */
	SYS_truncate, SYS_openat2, SYS_copy_file_range, SYS_sendfile, SYS_splice, SYS_io_uring_setup,
};

__attribute__((constructor)) static void begin(void)
{
	enum { CALLS = sizeof traced / sizeof *traced };
	struct sock_filter filter[CALLS + 8];
	const char *name = getenv("MUSTER_DISK_ROOT"), *log = getenv("MUSTER_DISK_LOG");
	if (!name) return;
	root_length = strlen(strncpy(root, name, PATH_MAX - 1));
	if (getenv("MUSTER_DISK_FAULTS")) strncpy(faults, getenv("MUSTER_DISK_FAULTS"), PATH_MAX - 1);
	if (log) log_fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (log && log_fd < 0) fail("the disk recorder cannot open its log\n");

	int n = 0;
	for (int half = 0; half < 2; half++) {
		filter[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			offsetof(struct seccomp_data, args[5]) + 4 * half);
		/* If it is not the recorder's own call, on to its number. */
		filter[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K,
			(uint32_t)(OWN >> (32 * half)), 0, half ? 1 : 3);
	}
	filter[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	filter[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
		offsetof(struct seccomp_data, nr));
	for (int i = 0; i < CALLS; i++)
		filter[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K,
			traced[i], CALLS - i, 0);
	filter[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	filter[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP);

	struct sigaction action = { .sa_sigaction = on_call, .sa_flags = SA_SIGINFO };
	sigfillset(&action.sa_mask);
	struct sock_fprog program = { n, filter };
	if (sigaction(SIGSYS, &action, NULL) || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
		|| prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
		fail("the disk recorder cannot watch system calls (seccomp)\n");
}
