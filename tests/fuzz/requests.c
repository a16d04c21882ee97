/* SPDX-License-Identifier: ISC */
/*
 * Driven: what goes between engine and monitor, the other end being hostile: requests.c at both
 * ends, the engine's answers (host/engine_link.c), and what reads them (host/names.c,
 * host/save_text.c).
 * Input: a byte that chooses, then datagrams with descriptors, or the answers, with where they are
 * cut.
 *
 * Asserted: a request that is whole is answered once, another is refused and not answered; no
 * descriptor is left behind, whatever came; what the engine takes for sockets is what was
 * announced; an answer is one whole answer; whatever the engine says, the file that is saved has no
 * errors, and nothing of it has changed that `wg` knows nothing of.
 */
#include "config_file.h"

#include <stdalign.h>
#include <sys/socket.h>

#include "engine/requests.h"
#include "host/monitor_state.h"
#include "host/save.h"

static const struct udp_sockets no_sockets = { .v4 = -1, .v6 = -1 };

enum { FDS_SENT_MAX = 6, DESCRIPTORS = 64, DATAGRAMS = 4, CHUNK_MAX = 256 };

/* ---- Descriptors ---- */

static int some_descriptor(void)
{
	const int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		abort();
	return fd;
}

static uint64_t open_descriptors(void)
{
	uint64_t set = 0;

	for (int fd = 0; fd < DESCRIPTORS; fd++)
		set |= (uint64_t)(fcntl(fd, F_GETFD) >= 0) << fd;
	return set;
}

static void send_with(int fd, const void *bytes, size_t len, size_t fd_count)
{
	alignas(struct cmsghdr) uint8_t control[CMSG_SPACE(FDS_SENT_MAX * sizeof(int))] = { 0 };
	struct iovec vector = { (void *)bytes, len };
	struct msghdr message = { .msg_iov = &vector, .msg_iovlen = 1 };
	struct cmsghdr *head = (struct cmsghdr *)control;
	int fds[FDS_SENT_MAX];

	for (size_t i = 0; i < fd_count; i++)
		fds[i] = some_descriptor();
	if (fd_count) {
		message.msg_control = control;
		message.msg_controllen = CMSG_SPACE(fd_count * sizeof(int));
		head->cmsg_level = SOL_SOCKET;
		head->cmsg_type = SCM_RIGHTS;
		head->cmsg_len = CMSG_LEN(fd_count * sizeof(int));
		memcpy(CMSG_DATA(head), fds, fd_count * sizeof(int));
	}
	if (sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		abort();
	for (size_t i = 0; i < fd_count; i++)
		close(fds[i]);
}

static void make_pair(int type, int ends[2])
{
	if (socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, ends))
		abort();
}

/* ---- Requests, to the monitor ---- */

static struct {
	unsigned asked;
	uint8_t how;
} opening;

int __wrap_udp_open(struct udp_sockets *sockets, uint16_t port, uint32_t fwmark);
void __wrap_udp_close(struct udp_sockets *sockets);

/* In place of sockets that would depend on the machine. */
int __wrap_udp_open(struct udp_sockets *sockets, uint16_t port, uint32_t fwmark)
{
	opening.asked++;
	*sockets = UDP_SOCKETS_CLOSED;
	if ((opening.how & 3) == 3)
		return -EADDRINUSE;
	if ((opening.how & 3) != 1)
		sockets->v4 = some_descriptor();
	if ((opening.how & 3) != 2)
		sockets->v6 = some_descriptor();
	sockets->port = port ? port : 40000;
	sockets->fwmark = fwmark;
	return 0;
}

void __wrap_udp_close(struct udp_sockets *sockets)
{
	if (sockets->v4 >= 0)
		close(sockets->v4);
	if (sockets->v6 >= 0)
		close(sockets->v6);
	*sockets = UDP_SOCKETS_CLOSED;
}

/* 16 bytes: kind 1, a serial number, a mark, a port, and zeros. */
static bool is_request(const uint8_t *bytes, size_t len, size_t fd_count)
{
	static const uint8_t kind[4] = { 1 };

	return len == 16 && !fd_count && !memcmp(bytes, kind, 4) && !bytes[14] && !bytes[15];
}

static void check_answer(int fd, const uint8_t *request)
{
	uint8_t answer[64];
	const ssize_t len = recv(fd, answer, sizeof(answer), MSG_DONTWAIT | MSG_TRUNC);
	int32_t error;

	FUZZ_CHECK(len == 12, "an answer of %zd bytes", len);
	memcpy(&error, answer + 4, sizeof(error));
	FUZZ_CHECK(!memcmp(answer, request + 4, 4), "another serial number");
	FUZZ_CHECK(error == ((opening.how & 3) == 3 ? -EADDRINUSE : 0), "error %d", error);
	FUZZ_CHECK(error || answer[10] + answer[11] > 0, "no sockets");
}

static void serve_requests(struct fuzz_input *input)
{
	int ends[2];

	make_pair(SOCK_SEQPACKET, ends);
	for (int i = 0; i < DATAGRAMS && input->left; i++) {
		const uint8_t how = fuzz_byte(input);
		const size_t fd_count = (how & 0x70) == 0x70 ? (how & 15) % FDS_SENT_MAX : 0;
		const size_t len = how & 0x80 ? fuzz_below(input, 40) : 16;
		uint8_t bytes[40];

		fuzz_take(input, bytes, len);
		opening.asked = 0;
		opening.how = how;
		send_with(ends[0], bytes, len, fd_count);
		const int error = requests_serve(ends[1], &no_sockets);
		const bool good = is_request(bytes, len, fd_count);

		FUZZ_CHECK(opening.asked == good, "opened %u times", opening.asked);
		if (good) {
			FUZZ_CHECK(!error, "error %d", error);
			check_answer(ends[0], bytes);
		} else {
			FUZZ_CHECK(error == -EPROTO || (!len && !fd_count && error == -EPIPE),
				"error %d", error);
		}
		FUZZ_CHECK(
			recv(ends[0], bytes, sizeof(bytes), MSG_DONTWAIT) < 0, "one answer more");
	}
	close(ends[0]);
	FUZZ_CHECK(requests_serve(ends[1], &no_sockets) == -EPIPE, "the engine has gone");
	close(ends[1]);
}

/* ---- Answers, to the engine ---- */

static unsigned serial; /* of the engine's last request: it counts over all inputs */

struct sent_answer {
	uint8_t bytes[24];
	size_t len, fd_count;
};

static bool read_answer(struct sent_answer *answer, struct fuzz_input *input)
{
	const uint8_t how = fuzz_byte(input);
	const uint32_t number = serial + 1;

	answer->fd_count = (how & 7) % FDS_SENT_MAX;
	answer->len = (how & 0x18) == 0x18 ? fuzz_below(input, sizeof(answer->bytes)) : 12;
	fuzz_take(input, answer->bytes, answer->len);
	if (how & 0x20) {
		memcpy(answer->bytes, &number, sizeof(number));
		memset(answer->bytes + 4, 0, how & 0x40 ? 4 : 0);
	}
	return answer->len || answer->fd_count; /* an empty one says nothing */
}

/* IPv6's may be 2, which says that it is IPv4's too: then there is no other. */
static bool is_good(const struct sent_answer *answer)
{
	static const uint8_t no_error[4];
	const uint8_t v4 = answer->bytes[10], v6 = answer->bytes[11];

	return answer->len == 12 && !memcmp(answer->bytes + 4, no_error, 4) && v4 <= 1 &&
	       v6 <= 2 - v4 && answer->fd_count && answer->fd_count == v4 + (size_t)(v6 > 0);
}

/* What the engine makes of a row of answers, in words: the first that bears its serial number, or
 * is not an answer at all, decides. */
static const struct sent_answer *find_deciding(const struct sent_answer *answers, size_t count)
{
	const uint32_t number = serial + 1;

	for (size_t i = 0; i < count; i++)
		if (answers[i].len != 12 || answers[i].fd_count > 4 ||
			!memcmp(answers[i].bytes, &number, sizeof(number)))
			return &answers[i];
	return NULL;
}

static void take_answers(struct fuzz_input *input)
{
	struct sent_answer answers[DATAGRAMS];
	struct udp_sockets sockets = UDP_SOCKETS_CLOSED;
	size_t count = 0;
	int ends[2];

	make_pair(SOCK_SEQPACKET, ends);
	while (count < DATAGRAMS && input->left)
		if (read_answer(&answers[count], input))
			count++;
	for (size_t i = 0; i < count; i++)
		send_with(ends[0], answers[i].bytes, answers[i].len, answers[i].fd_count);
	shutdown(ends[0], SHUT_WR);
	const struct sent_answer *deciding = find_deciding(answers, count);
	const int error = requests_open_sockets(ends[1], 7, 1, &sockets);

	serial++;
	FUZZ_CHECK(!error == (deciding && is_good(deciding)), "error %d", error);
	if (!error)
		FUZZ_CHECK((sockets.v4 >= 0) == deciding->bytes[10] &&
				   (sockets.v6 >= 0) == (deciding->bytes[11] > 0) &&
				   sockets.both == (deciding->bytes[11] == 2),
			"other sockets than announced");
	__wrap_udp_close(&sockets);
	close(ends[0]);
	close(ends[1]);
}

/* ---- The control protocol's answers, to the monitor ---- */

static struct {
	struct monitor monitor;
	struct fuzz_input *input;
	int engine; /* its end */
} link_state;

void __wrap_monitor_pump(struct monitor *monitor, uint64_t until);
uint64_t __wrap_monitor_now(void);

/* The engine says the next few bytes, and when it has no more to say ends. */
void __wrap_monitor_pump(struct monitor *monitor, uint64_t until)
{
	char bytes[CHUNK_MAX];

	(void)until;
	if (monitor->engine_out.len)
		engine_on_writable(monitor);
	if (!link_state.input->left) {
		engine_on_exit(monitor, 0);
		return;
	}
	const size_t len = fuzz_take(link_state.input, bytes, 1u + fuzz_byte(link_state.input));

	if (len && send(link_state.engine, bytes, len, MSG_NOSIGNAL) != (ssize_t)len)
		abort();
	engine_on_readable(monitor);
}

uint64_t __wrap_monitor_now(void)
{
	return 1;
}

static void read_facts(char *answer)
{
	const char *const end = answer + strlen(answer), *before = answer;
	struct names_facts facts;
	uint8_t key[KEY_LEN];

	while (names_parse_facts(&answer, key, &facts)) {
		FUZZ_CHECK(!answer || (answer > before && answer <= end), "it does not move on");
		FUZZ_CHECK(!facts.no_route, "a route that nobody asked for");
		before = answer;
	}
}

static void hear_engine(struct fuzz_input *input)
{
	struct text request = { 0 }, answer = { 0 };
	int ends[2];

	make_pair(SOCK_STREAM | SOCK_NONBLOCK, ends);
	memset(&link_state, 0, sizeof(link_state));
	link_state.input = input;
	link_state.engine = ends[0];
	link_state.monitor.engine = 1;
	link_state.monitor.engine_control = ends[1];
	link_state.monitor.engine_requests = -1;
	link_state.monitor.engine_owes = fuzz_byte(input) % 3;
	text_add(&request, "get=1\n\n");
	const int error = engine_get(&link_state.monitor, &request, &answer);

	FUZZ_CHECK(error <= 0 && error >= -4095, "error %d", error);
	FUZZ_CHECK((answer.bytes != NULL) == !error, "an answer with error %d", error);
	if (!error) {
		FUZZ_CHECK(answer.len >= 9 && !memcmp(answer.bytes + answer.len - 2, "\n\n", 2),
			"half an answer");
		FUZZ_CHECK(!link_state.monitor.engine_owes, "it owes another");
		read_facts(answer.bytes);
	}
	if (link_state.monitor.engine_control >= 0)
		close(link_state.monitor.engine_control);
	close(ends[0]);
	text_free(&request);
	text_free(&answer);
	text_free(&link_state.monitor.engine_in);
	text_free(&link_state.monitor.engine_out);
}

/* ---- What is saved ---- */

static const char file[] = "[Interface]\n"
			   "PrivateKey = yAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk=\n"
			   "Address = 10.0.0.1/24\n"
			   "ListenPort = 7\n"
			   "PostUp = echo up\n"
			   "DNS = 192.0.2.53\n"
			   "SaveConfig = true\n"
			   "[Peer]\n"
			   "PublicKey = xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=\n"
			   "AllowedIPs = 10.0.0.0/8\n"
			   "Endpoint = 192.0.2.1:51820\n";

static void save(struct fuzz_input *input)
{
	const size_t len = input->left;
	char *answer = malloc(len + 1);
	struct text new = { 0 };
	struct config *config = load_good(FILE_FD, file);

	if (!answer)
		abort();
	fuzz_take(input, answer, len);
	answer[len] = '\0';
	const int error = save_rewrite(&new, file, config, answer);

	FUZZ_CHECK(!error || error == -EINVAL || error == -EBADMSG, "error %d", error);
	if (new.bytes) {
		struct config *saved = load_good(OTHER_FD, new.bytes);

		check_kept(config, saved);
		config_free(saved);
	}
	config_free(config);
	text_free(&new);
	free(answer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct fuzz_input input = { data, len };

	fuzz_begin(6);
	const uint64_t before = open_descriptors();

	switch (fuzz_byte(&input) & 3) {
	case 0:
		serve_requests(&input);
		break;
	case 1:
		take_answers(&input);
		break;
	case 2:
		hear_engine(&input);
		break;
	default:
		save(&input);
		break;
	}
	FUZZ_CHECK(open_descriptors() == before, "descriptors are left open, or closed");
	return 0;
}
