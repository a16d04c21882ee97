/* SPDX-License-Identifier: ISC */
/* Rules and blocked routes: those that are there become those that are wanted. */
#include "host/policy_host.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host/lock.h"
#include "host/policy.h"

static bool is_block(const char *line)
{
	return !strncmp(line, "block ", 6);
}

bool policy_is_line(const char *line)
{
	return is_block(line) || !strncmp(line, "rule ", 5);
}

bool policy_has_block(const struct undo_lines *lines)
{
	for (size_t i = 0; i < lines->count; i++) {
		if (is_block(lines->items[i]))
			return true;
	}
	return false;
}

static int run_line(struct netlink *netlink, const char *line, bool add)
{
	struct config_prefix prefix;
	struct netlink_rule rule;
	uint32_t table;

	if (is_block(line)) {
		if (policy_parse_block(line + strlen("block "), &prefix, &table))
			return -EINVAL;
		const struct netlink_prefix to = { prefix.family, prefix.address, prefix.length };
		return add ? netlink_unreachable_add(netlink, table, to)
			   : netlink_unreachable_delete(netlink, table, to);
	}
	if (policy_parse_rule(line + strlen("rule "), &rule))
		return -EINVAL;
	return add ? netlink_rule_add(netlink, &rule) : netlink_rule_delete(netlink, &rule);
}

/* ---- sets of lines ---- */

static int compare_lines(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The same lines (not copies), sorted, to be freed alone; NULL: out of memory. */
static char **sorted(const struct undo_lines *lines)
{
	char **items = calloc(lines->count + 1, sizeof(*items));

	if (!items)
		return NULL;
	if (lines->count)
		memcpy(items, lines->items, lines->count * sizeof(*items));
	qsort(items, lines->count, sizeof(*items), compare_lines);
	return items;
}

static bool is_in(char *const *items, size_t count, const char *line)
{
	return bsearch(&line, items, count, sizeof(*items), compare_lines) != NULL;
}

/* What is there and what is wanted, in the order of the file and sorted. */
struct change {
	struct netlink *netlink;
	const struct undo_lines *wanted;
	struct undo_lines there, others; /* by other tunnels */
	char **wanted_sorted, **there_sorted, **others_sorted;
	struct undo_lines after; /* what the file has in the end */
	bool file_has_more;      /* than was there: what is about to be added */
	char *complaint;
	int error; /* the first */
};

static bool was_there(const struct change *change, const char *line)
{
	return is_in(change->there_sorted, change->there.count, line);
}

static bool is_wanted(const struct change *change, const char *line)
{
	return is_in(change->wanted_sorted, change->wanted->count, line);
}

/* The kernel has a blocked route once, however many tunnels block it. */
static bool is_others(const struct change *change, const char *line)
{
	return is_in(change->others_sorted, change->others.count, line);
}

static void complain(struct change *change, const char *line, const char *verb, int error)
{
	if (change->error)
		return;
	change->error = error;
	snprintf(change->complaint, POLICY_COMPLAINT_SIZE, "cannot %s the %s '%.120s': %s", verb,
		is_block(line) ? "blocked route" : "routing rule", strchr(line, ' ') + 1,
		strerror(-error));
}

/* The file as it is while the changes are made: everything that there may be. */
static int write_all(struct change *change, const char *state_path)
{
	struct undo_lines all = { 0 };
	int error = 0;

	for (size_t i = 0; !error && i < change->there.count; i++)
		error = undo_append(&all, change->there.items[i]);
	for (size_t i = 0; !error && i < change->wanted->count; i++) {
		if (!was_there(change, change->wanted->items[i]))
			error = undo_append(&all, change->wanted->items[i]);
	}
	change->file_has_more = all.count > change->there.count;
	if (!error && change->file_has_more)
		error = undo_write(state_path, &all);
	undo_free(&all);
	return error;
}

/* Lines of other kinds. */
static int keep_rest(struct change *change)
{
	int stored = 0;

	for (size_t i = 0; !stored && i < change->there.count; i++) {
		if (!policy_is_line(change->there.items[i]))
			stored = undo_append(&change->after, change->there.items[i]);
	}
	return stored;
}

/* Of a family that the kernel does not have, nothing can leak. What somebody else had made alike
 * before us is not ours to delete. */
static int add_wanted(struct change *change)
{
	int stored = 0;

	for (size_t i = 0; !stored && i < change->wanted->count; i++) {
		const char *line = change->wanted->items[i];
		int error = run_line(change->netlink, line, true);

		if (error == -EAFNOSUPPORT || error == -EOPNOTSUPP)
			continue;
		if (error == -EEXIST && !was_there(change, line) && !is_others(change, line))
			continue;
		if (error && error != -EEXIST)
			complain(change, line, "add", error);
		stored = undo_append(&change->after, line);
	}
	return stored;
}

/* Backwards: what came last goes first. */
static int delete_unwanted(struct change *change)
{
	int stored = 0;

	for (size_t i = change->there.count; !stored && i-- > 0;) {
		const char *line = change->there.items[i];
		int error;

		if (!policy_is_line(line) || is_wanted(change, line) || is_others(change, line))
			continue;
		error = run_line(change->netlink, line, false);
		if (!error || error == -ENOENT || error == -ESRCH || error == -EAFNOSUPPORT)
			continue;
		complain(change, line, "delete", error);
		if (error != -EINVAL)
			stored = undo_append(&change->after, line);
	}
	return stored;
}

static bool same_lines(const struct undo_lines *a, const struct undo_lines *b)
{
	for (size_t i = 0; a->count == b->count && i < a->count; i++) {
		if (strcmp(a->items[i], b->items[i]))
			return false;
	}
	return a->count == b->count;
}

/* Everything between reading other tunnels' notes and having written our own. */
static int make_change(struct change *change, const char *state_path)
{
	int error = undo_read_others(state_path, &change->others);

	if (error)
		return error;
	change->there_sorted = sorted(&change->there);
	change->wanted_sorted = sorted(change->wanted);
	change->others_sorted = sorted(&change->others);
	if (!change->there_sorted || !change->wanted_sorted || !change->others_sorted)
		return -ENOMEM;
	error = write_all(change, state_path);
	if (!error)
		error = keep_rest(change);
	if (!error)
		error = add_wanted(change);
	if (!error)
		error = delete_unwanted(change);
	if (!error && (change->file_has_more || !same_lines(&change->there, &change->after)))
		error = undo_write(state_path, &change->after);
	return error;
}

static int change_in_turn(struct change *change, const char *state_path)
{
	int turn, error = undo_read(state_path, &change->there);

	if (error || (!change->there.count && !change->wanted->count))
		return error;
	turn = lock_take_turn_beside(state_path);
	if (turn < 0)
		return turn;
	error = make_change(change, state_path);
	close(turn);
	return error;
}

int policy_apply(struct netlink *netlink, const char *state_path, const struct undo_lines *wanted,
	char complaint[POLICY_COMPLAINT_SIZE])
{
	struct change change = { .netlink = netlink, .wanted = wanted, .complaint = complaint };
	int error = change_in_turn(&change, state_path);

	if (error)
		snprintf(complaint, POLICY_COMPLAINT_SIZE, "cannot keep %.160s: %s", state_path,
			strerror(-error));
	undo_free(&change.there);
	undo_free(&change.after);
	undo_free(&change.others);
	free(change.there_sorted);
	free(change.wanted_sorted);
	free(change.others_sorted);
	return error ? error : change.error;
}
