/* SPDX-License-Identifier: ISC */
/* SaveConfig: the new text of a file, and that the old one is never lost. */
#include <errno.h>
#include <glob.h>
#include <linux/capability.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cmocka.h>

#include "config_wrong.h"
#include "host/leftover.h"
#include "host/save.h"

static char directory[] = "/tmp/culvert-save-XXXXXX";
static char path[64], key_path[64], state_path[64];

static void write_to(const char *to, const char *text, mode_t mode)
{
	FILE *file;

	unlink(to);
	file = fopen(to, "w");
	assert_non_null(file);
	assert_int_equal(fchmod(fileno(file), mode), 0);
	fputs(text, file);
	assert_int_equal(fclose(file), 0);
}

static int set_up(void **state)
{
	(void)state;
	if (!mkdtemp(directory))
		return -1;
	snprintf(path, sizeof(path), "%s/t.conf", directory);
	snprintf(key_path, sizeof(key_path), "%s/the.key", directory);
	snprintf(state_path, sizeof(state_path), "%s/t.state", directory);
	write_to(key_path, KEY_1 "\n", 0600);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	unlink(path);
	unlink(key_path);
	return rmdir(directory);
}

static void write_text(const char *text, mode_t mode)
{
	write_to(path, text, mode);
}

static char *read_text(void)
{
	static char text[8192];
	FILE *file = fopen(path, "r");

	assert_non_null(file);
	text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
	fclose(file);
	return text;
}

static struct config *load(void)
{
	struct config_problems problems;
	struct config *config;

	if (config_load(path, &config, &problems)) {
		config_problems_print(&problems, stderr);
		fail();
	}
	config_problems_free(&problems);
	return config;
}

/* A line "NAME=HEX" for a key in base64. */
static const char *hex_of(const char *base64)
{
	static char texts[4][KEY_HEX_SIZE];
	static unsigned next;
	uint8_t key[KEY_LEN];
	char *hex = texts[next++ % 4];

	assert_int_equal(key_from_base64(key, base64), 0);
	key_to_hex(hex, key);
	return hex;
}

/* What the engine answers: P1 and P2 stand for public keys, K1 and K2 for secret ones. */
static char *answer_of(const char *pattern)
{
	static const struct {
		const char *word, *base64;
	} keys[] = { { "P1", PUBLIC_1 }, { "P2", PUBLIC_2 }, { "K1", KEY_1 }, { "K2", KEY_2 } };
	char *answer = calloc(1, 8192), *to = answer;

	assert_non_null(answer);
	while (*pattern) {
		const char *key = NULL;

		for (size_t i = 0; i < 4; i++)
			if (!strncmp(pattern, keys[i].word, 2))
				key = keys[i].base64;
		if (key)
			to = stpcpy(to, hex_of(key));
		else
			*to++ = *pattern;
		pattern += key ? 2 : 1;
	}
	return answer;
}

#define DEVICE "private_key=K1\nlisten_port=7\n"
#define ZERO_PSK "preshared_key=0000000000000000000000000000000000000000000000000000000000000000\n"
#define KEPT                       \
	"public_key=P1\n" ZERO_PSK \
	"endpoint=192.0.2.1:1\nallowed_ip=10.0.0.0/8\nallowed_ip=fd00::/64\n"
#define END "errno=0\n\n"
#define HEAD                                              \
	"# mine\n[Interface] # here\n  PrivateKey=" KEY_1 \
	"\nListenPort = 7\nPostUp = echo ; true\n\n"
#define ONE                                                                                        \
	"# Anna\n[Peer]\nPublicKey = " PUBLIC_1 "\n# inside\nAllowedIPs = 10.0.0.0/8\nAllowedIPs=" \
	"fd00::/64\nEndpoint = 192.0.2.1:1\n"

static const struct {
	const char *what, *old, *answer, *new; /* NULL: as it was */
} rewrites[] = {
	{ "nothing", HEAD ONE, DEVICE KEPT END, NULL },
	{ "a private key that is clamped only in the engine",
		"[Interface]\nPrivateKey = //////////////////////////////////////////8=\n",
		"private_key="
		"f8ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f\n" END,
		NULL },
	{ "the order of prefixes", HEAD ONE,
		DEVICE "public_key=P1\n" ZERO_PSK
		       "endpoint=192.0.2.1:1\nallowed_ip=fd00::/64\nallowed_ip=10.0.0.0/8\n" END,
		NULL },
	{ "the port, where it stands", HEAD ONE, "private_key=K1\nlisten_port=8\n" KEPT END,
		"# mine\n[Interface] # here\n  PrivateKey=" KEY_1
		"\nListenPort = 8\nPostUp = echo ; true\n\n" ONE },
	{ "a mark, where there was none", HEAD ONE, DEVICE "fwmark=16\n" KEPT END,
		"# mine\n[Interface] # here\n  PrivateKey=" KEY_1
		"\nListenPort = 7\nPostUp = echo ; true\nFwMark = 0x10\n\n" ONE },
	{ "the private key", HEAD, "private_key=K2\nlisten_port=7\n" END,
		"# mine\n[Interface] # here\nPrivateKey = " KEY_2
		"\nListenPort = 7\nPostUp = echo ; true\n\n" },
	{ "a peer that roamed, with other prefixes", HEAD ONE,
		DEVICE "public_key=P1\n" ZERO_PSK
		       "endpoint=[2001:db8::1]:5\nallowed_ip=10.0.0.0/9\n" END,
		HEAD "# Anna\n[Peer]\nPublicKey = " PUBLIC_1
		     "\n# inside\nAllowedIPs = 10.0.0.0/9\nEndpoint = [2001:db8::1]:5\n" },
	{ "no prefixes any more, a psk and a keepalive", HEAD ONE,
		DEVICE "public_key=P1\npreshared_key=K2\nendpoint=192.0.2.1:1\n"
		       "persistent_keepalive_interval=25\n" END,
		HEAD "# Anna\n[Peer]\nPublicKey = " PUBLIC_1
		     "\n# inside\nEndpoint = 192.0.2.1:1\nPresharedKey = " KEY_2
		     "\nPersistentKeepalive = 25\n" },
	{ "a psk that goes", HEAD "[Peer]\nPublicKey=" PUBLIC_1 "\nPresharedKey=" KEY_2 "\n",
		DEVICE "public_key=P1\n" ZERO_PSK END, HEAD "[Peer]\nPublicKey=" PUBLIC_1 "\n" },
	{ "a name stays", HEAD "[Peer]\nPublicKey=" PUBLIC_1 "\nEndpoint = b.example.net:5\n",
		DEVICE "public_key=P1\n" ZERO_PSK "endpoint=192.0.2.77:5\n" END, NULL },
	{ "a peer that is gone, and a new one", HEAD ONE,
		DEVICE "public_key=P2\npreshared_key=K2\nendpoint=192.0.2.2:2\n"
		       "persistent_keepalive_interval=5\nallowed_ip=10.2.0.0/16\nallowed_ip=fd02::/"
		       "64\n" END,
		HEAD "# Anna\n\n[Peer]\nPublicKey = " PUBLIC_2 "\nPresharedKey = " KEY_2
		     "\nAllowedIPs = 10.2.0.0/16, fd02::/64\nEndpoint = 192.0.2.2:2\n"
		     "PersistentKeepalive = 5\n" },
	{ "the second of two", HEAD ONE "\n# Bert\n[peer]\nPUBLICKEY = " PUBLIC_2 "\n# end",
		DEVICE KEPT "public_key=P2\n" ZERO_PSK "allowed_ip=10.5.0.0/16\n" END,
		HEAD ONE "\n# Bert\n[peer]\nPUBLICKEY = " PUBLIC_2
			 "\nAllowedIPs = 10.5.0.0/16\n# end" },
	{ "no newline at the end", HEAD "[Peer]\nPublicKey=" PUBLIC_1,
		DEVICE "public_key=P1\n" ZERO_PSK "allowed_ip=10.5.0.0/16\n" END,
		HEAD "[Peer]\nPublicKey=" PUBLIC_1 "\nAllowedIPs = 10.5.0.0/16\n" },
	{ "an Ethernet tunnel", HEAD "Mode = tap\n[Peer]\nPublicKey=" PUBLIC_1 "\nCipher = auto\n",
		DEVICE "public_key=P1\n" ZERO_PSK "allowed_ip=10.5.0.0/16\n"
		       "public_key=P2\n" ZERO_PSK
		       "endpoint=192.0.2.2:2\nallowed_ip=10.6.0.0/16\n" END,
		HEAD "Mode = tap\n[Peer]\nPublicKey=" PUBLIC_1 "\nCipher = auto\n\n[Peer]\n"
		     "PublicKey = " PUBLIC_2 "\nCipher = auto\nEndpoint = 192.0.2.2:2\n" },
	{ "a byte order mark", "\xef\xbb\xbf[Interface]\nPrivateKey = " KEY_1 "\n",
		"private_key=K1\nlisten_port=9\n" END,
		"\xef\xbb\xbf[Interface]\nPrivateKey = " KEY_1 "\nListenPort = 9\n" },
};

static void test_rewrites(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rewrites) / sizeof(*rewrites); i++) {
		const char *expected = rewrites[i].new ? rewrites[i].new : rewrites[i].old;
		char *answer = answer_of(rewrites[i].answer);
		struct config *config;
		bool changed;

		write_text(rewrites[i].old, 0600);
		config = load();
		assert_int_equal(save_file(config, state_path, answer, &changed), 0);
		config_free(config);
		if (strcmp(read_text(), expected))
			print_error("%s\n", rewrites[i].what);
		assert_string_equal(read_text(), expected);
		assert_int_equal(changed, rewrites[i].new != NULL);
		config_free(load()); /* it can be read */
		free(answer);
	}
}

#define WITHOUT_SECRET \
	"[Interface]\nPrivateKeyFile = the.key\nListenPort = 7\n[Peer]\nPublicKey = " PUBLIC_1 "\n"
#define MOVED DEVICE "public_key=P1\n" ZERO_PSK "endpoint=192.0.2.9:9\n" END

/* What an engine might say that somebody has taken over, and what wg can set and a file not say. */
static const struct {
	const char *what, *old, *answer;
} unreadable[] = {
	{ "no prefix", HEAD ONE,
		DEVICE "public_key=P1\n" ZERO_PSK "allowed_ip=10.0.0.0/8, Name\n" END },
	{ "no endpoint", HEAD ONE, DEVICE "public_key=P1\n" ZERO_PSK "endpoint=PostUp = sh\n" END },
	{ "a keepalive of days", HEAD ONE,
		DEVICE "public_key=P1\n" ZERO_PSK "persistent_keepalive_interval=99999\n" END },
	{ "a peer twice", HEAD ONE, DEVICE KEPT "public_key=P2\npublic_key=P2\n" END },
	{ "a prefix of two peers", HEAD ONE,
		DEVICE KEPT "public_key=P2\n" ZERO_PSK "allowed_ip=10.0.0.0/8\n" END },
	{ "no private key", HEAD ONE,
		"private_key=0000000000000000000000000000000000000000000000"
		"000000000000000000\nlisten_port=7\n" KEPT END },
	{ "a port too high", HEAD ONE, "private_key=K1\nlisten_port=70000\n" KEPT END },
	{ "a kill switch without prefixes", HEAD "KillSwitch = yes\n" ONE,
		DEVICE "public_key=P1\n" ZERO_PSK "endpoint=192.0.2.1:1\n" END },
};

static void test_unreadable(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(unreadable) / sizeof(*unreadable); i++) {
		char *answer = answer_of(unreadable[i].answer);
		struct config *config;
		bool changed;

		write_text(unreadable[i].old, 0600);
		config = load();
		if (save_file(config, state_path, answer, &changed) != -EBADMSG)
			fail_msg("%s is saved", unreadable[i].what);
		assert_string_equal(read_text(), unreadable[i].old);
		config_free(config);
		free(answer);
	}
}

/* As loaded from text; answers like the engine. */
static int save_after(const char *text, mode_t mode, const char *pattern, const char *then)
{
	char *answer = answer_of(pattern);
	struct config *config;
	bool changed;
	int error;

	write_text(text, mode);
	config = load();
	if (then)
		write_text(then, mode);
	error = save_file(config, state_path, answer, &changed);
	config_free(config);
	free(answer);
	return error;
}

static void test_refusals(void **state)
{
	static const char by_file[] =
		"[Interface]\nPrivateKeyFile = the.key\n[Peer]\nPublicKey = " PUBLIC_1 "\n";

	(void)state;
	assert_int_equal(save_after(HEAD ONE, 0600, MOVED, HEAD ONE "# edited\n"), -ESTALE);
	assert_string_equal(read_text(), HEAD ONE "# edited\n");
	/* The same size, and the same text in another file. */
	assert_int_equal(save_after(HEAD ONE, 0600, MOVED, HEAD ONE), -ESTALE);
	assert_int_equal(
		save_after(HEAD "[Interface]\nMTU = 1400\n", 0600, DEVICE END, NULL), -ENOTSUP);
	assert_int_equal(save_after(HEAD ONE, 0600, "errno=-5\n\n", NULL), -EINVAL);
	assert_int_equal(save_after(HEAD ONE, 0600, "", NULL), -EINVAL);
	/* Another key than the file that is named has. */
	assert_int_equal(
		save_after(by_file, 0644, "private_key=K2\nlisten_port=7\n" END, NULL), -EXDEV);
	/* A secret for a file that everybody can read. */
	assert_int_equal(
		save_after(by_file, 0644, DEVICE "public_key=P1\npreshared_key=K2\n" END, NULL),
		-EKEYREJECTED);
	assert_string_equal(read_text(), by_file);
	/* No secret: as others may read it, so they may after that. */
	assert_int_equal(save_after(by_file, 0644, MOVED, NULL), 0);
	struct stat status;
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_mode & 07777, 0644);
}

/* No room for the new one. */
static void test_disk_full(void **state)
{
	const struct rlimit nothing = { 100, RLIM_INFINITY };
	struct rlimit before;
	int error;

	(void)state;
	write_text(HEAD ONE, 0600);
	struct config *config = load();
	char *answer = answer_of(MOVED);
	bool changed;

	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &nothing), 0);
	error = save_file(config, state_path, answer, &changed);
	setrlimit(RLIMIT_FSIZE, &before);
	assert_int_equal(error, -EFBIG);
	assert_string_equal(read_text(), HEAD ONE);
	config_free(config);
	free(answer);
}

/* Saves under a process of its own, which the preparation may take things from. */
static int save_elsewhere(bool (*prepare)(void))
{
	char *answer = answer_of(MOVED);
	struct config *config = load();
	bool changed;
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	status = !pid && prepare() ? -save_file(config, state_path, answer, &changed) : 255;
	config_free(config);
	free(answer);
	if (!pid)
		_exit(status);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return -WEXITSTATUS(status);
}

/* As contrib/systemd/culvert@.service has it: root, without what root may do with files. */
static bool drop_capabilities(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[2] = { 0 };

	return !syscall(SYS_capset, &header, none);
}

static size_t file_size(void)
{
	struct stat status;

	assert_int_equal(stat(path, &status), 0);
	return (size_t)status.st_size;
}

static void assert_nothing_beside(void)
{
	char pattern[80];
	glob_t found;

	snprintf(pattern, sizeof(pattern), "%s.*", path);
	assert_int_equal(glob(pattern, 0, NULL, &found), GLOB_NOMATCH);
}

/* A group that we may not give a file to: the file itself is written. Another owner: that cannot be
 * done either, and it stays. */
static void test_owner(void **state)
{
	struct stat before, after;

	(void)state;
	if (geteuid())
		skip();
	write_text(HEAD ONE, 0600);
	assert_int_equal(stat(path, &before), 0);
	assert_int_equal(save_elsewhere(drop_capabilities), 0);
	assert_int_equal(stat(path, &after), 0);
	assert_int_not_equal(before.st_ino, after.st_ino);

	write_text(HEAD ONE, 0600);
	assert_int_equal(chown(path, 0, 12345), 0);
	assert_int_equal(save_elsewhere(drop_capabilities), 0);
	assert_non_null(strstr(read_text(), "192.0.2.9:9"));
	assert_int_equal(stat(path, &after), 0);
	assert_int_equal(after.st_gid, 12345);
	assert_int_equal(after.st_mode & 07777, 0600);
	assert_nothing_beside();

	write_text(WITHOUT_SECRET, 0644);
	assert_int_equal(chown(path, 12345, 12345), 0);
	assert_int_equal(save_elsewhere(drop_capabilities), -EPERM);
	assert_string_equal(read_text(), WITHOUT_SECRET);
	assert_nothing_beside();
}

/* As a write over that size kills it. */
static bool leave_no_room(void)
{
	const struct rlimit size = { 100, 100 }, core = { 0, 0 };

	return signal(SIGXFSZ, SIG_DFL) != SIG_ERR && !setrlimit(RLIMIT_CORE, &core) &&
	       !setrlimit(RLIMIT_FSIZE, &size);
}

/* Killed in the course of it: what was written beside the file goes at the next start, or by
 * `culvert down`. */
static void test_killed(void **state)
{
	struct config *config;
	char *answer = answer_of(MOVED);
	bool changed;
	int status;
	pid_t pid;

	(void)state;
	write_text(HEAD ONE, 0600);
	config = load();
	pid = fork();
	assert_true(pid >= 0);
	if (!pid)
		_exit(leave_no_room() ? save_file(config, state_path, answer, &changed) : 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGXFSZ);
	assert_int_equal(leftover_undo(NULL, state_path, true, NULL), 0);
	assert_nothing_beside();
	assert_int_equal(access(state_path, F_OK), -1);
	assert_string_equal(read_text(), HEAD ONE);
	config_free(config);
	free(answer);
}

static bool drop_nothing(void)
{
	return true;
}

static void test_hard_link(void **state)
{
	char other[80];
	struct stat before, after;

	(void)state;
	write_text(HEAD ONE, 0600);
	snprintf(other, sizeof(other), "%s/other", directory);
	assert_int_equal(link(path, other), 0);
	assert_int_equal(stat(path, &before), 0);
	assert_int_equal(save_elsewhere(drop_nothing), 0);
	assert_int_equal(stat(path, &after), 0);
	assert_int_equal(before.st_ino, after.st_ino);
	assert_non_null(strstr(read_text(), "192.0.2.9:9"));
	unlink(other);
	/* A text that is shorter than before. */
	write_text(HEAD ONE "[Peer]\nPublicKey = " PUBLIC_2 "\n# end\n", 0600);
	assert_int_equal(link(path, other), 0);
	assert_int_equal(save_elsewhere(drop_nothing), 0);
	assert_null(strstr(read_text(), PUBLIC_2));
	assert_int_equal(strlen(read_text()), file_size());
	assert_nothing_beside();
	unlink(other);
}

/* Access lists as the kernel takes them: bob, with the number 12345, may read. */
static const struct {
	uint32_t version;
	struct {
		uint16_t tag, permissions;
		uint32_t id;
	} entries[5];
} acl = { 2, { { 1, 6, UINT32_MAX }, { 2, 4, 12345 }, { 4, 0, UINT32_MAX }, { 16, 4, UINT32_MAX },
		     { 32, 0, UINT32_MAX } } };

#define ACL "system.posix_acl_access"
#define DIRECTORY_ACL "system.posix_acl_default"

static void test_attributes(void **state)
{
	char value[sizeof(acl)];
	struct stat before, after;

	(void)state;
	write_text(WITHOUT_SECRET, 0600);
	if (setxattr(path, "user.note", "mine", 4, 0) || setxattr(path, ACL, &acl, sizeof(acl), 0))
		skip();
	assert_int_equal(stat(path, &before), 0);
	assert_int_equal(save_elsewhere(drop_nothing), 0);
	assert_int_equal(stat(path, &after), 0);
	assert_int_not_equal(before.st_ino, after.st_ino);
	assert_int_equal(before.st_mode, after.st_mode);
	assert_int_equal(getxattr(path, "user.note", value, sizeof(value)), 4);
	assert_memory_equal(value, "mine", 4);
	assert_int_equal(getxattr(path, ACL, value, sizeof(value)), sizeof(acl));
	assert_memory_equal(value, &acl, sizeof(acl));
	/* A list that new files get, and this one has not. */
	write_text(HEAD ONE, 0600);
	assert_int_equal(setxattr(directory, DIRECTORY_ACL, &acl, sizeof(acl), 0), 0);
	assert_int_equal(save_elsewhere(drop_nothing), 0);
	assert_int_equal(removexattr(directory, DIRECTORY_ACL), 0);
	assert_int_equal(getxattr(path, ACL, value, sizeof(value)), -1);
	assert_int_equal(stat(path, &after), 0);
	assert_int_equal(after.st_mode & 07777, 0600);
	assert_nothing_beside();
}

/* No room for it: where the file itself is to be written, not a byte of it is. */
static bool limit_size(void)
{
	const struct rlimit little = { 100, 100 };

	signal(SIGXFSZ, SIG_IGN);
	return !setrlimit(RLIMIT_FSIZE, &little);
}

static void test_no_room_in_place(void **state)
{
	char other[80];

	(void)state;
	write_text(HEAD ONE, 0600);
	snprintf(other, sizeof(other), "%s/other", directory);
	assert_int_equal(link(path, other), 0);
	assert_int_equal(save_elsewhere(limit_size), -EFBIG);
	assert_string_equal(read_text(), HEAD ONE);
	assert_nothing_beside();
	unlink(other);
}

static bool mount_it(void)
{
	return !unshare(CLONE_NEWNS) && !mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) &&
	       !mount(path, path, "none", MS_BIND, NULL);
}

/* As in a container: nothing can be put in the place of a mount point. */
static void test_mount_point(void **state)
{
	struct stat before, after;
	int error;

	(void)state;
	if (geteuid())
		skip();
	write_text(HEAD ONE, 0600);
	assert_int_equal(stat(path, &before), 0);
	error = save_elsewhere(mount_it);
	if (error == -255)
		skip();
	assert_int_equal(error, 0);
	assert_int_equal(stat(path, &after), 0);
	assert_int_equal(before.st_ino, after.st_ino);
	assert_non_null(strstr(read_text(), "192.0.2.9:9"));
	assert_nothing_beside();
}

/* A link stays one. */
static void test_link(void **state)
{
	char link[80];
	char *answer = answer_of(MOVED);
	struct config_problems problems;
	struct config *config;
	struct stat status;
	bool changed;

	(void)state;
	write_text(HEAD ONE, 0600);
	snprintf(link, sizeof(link), "%s/link.conf", directory);
	assert_int_equal(symlink("t.conf", link), 0);
	assert_int_equal(config_load(link, &config, &problems), 0);
	config_problems_free(&problems);
	assert_int_equal(save_file(config, state_path, answer, &changed), 0);
	assert_int_equal(lstat(link, &status), 0);
	assert_true(S_ISLNK(status.st_mode));
	assert_non_null(strstr(read_text(), "192.0.2.9:9"));
	unlink(link);
	config_free(config);
	free(answer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rewrites),
		cmocka_unit_test(test_unreadable),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_disk_full),
		cmocka_unit_test(test_killed),
		cmocka_unit_test(test_owner),
		cmocka_unit_test(test_hard_link),
		cmocka_unit_test(test_attributes),
		cmocka_unit_test(test_no_room_in_place),
		cmocka_unit_test(test_mount_point),
		cmocka_unit_test(test_link),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
