/* SPDX-License-Identifier: ISC */
/*
 * A fuzz target without a fuzzer: runs files, or those of the target's corpus where none is named.
 * So what was found once is looked at again by every `make check`, with every compiler.
 */
#include <dirent.h>
#include <libgen.h>

#include "fuzz.h"

static void run_file(const char *path)
{
	FILE *file = fopen(path, "rb");
	size_t len = 0, room = 1 << 16;
	uint8_t *bytes = malloc(room);

	if (!file || !bytes) {
		perror(path);
		exit(1);
	}
	for (size_t got; (got = fread(bytes + len, 1, room - len, file)) > 0;) {
		len += got;
		if (len < room)
			continue;
		room *= 2;
		bytes = realloc(bytes, room);
		if (!bytes)
			exit(1);
	}
	fclose(file);
	uint8_t *copy = fuzz_copy(bytes, len);

	free(bytes);
	fprintf(stderr, "%s\n", path); /* unbuffered: the last one named is the one that failed */
	LLVMFuzzerTestOneInput(copy, len);
	free(copy);
}

static int is_plain(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

/* Returns how many there were. */
static int run_directory(const char *directory)
{
	struct dirent **entries;
	const int count = scandir(directory, &entries, is_plain, alphasort);
	char path[8192];

	if (count < 0) {
		perror(directory);
		exit(1);
	}
	for (int i = 0; i < count; i++) {
		snprintf(path, sizeof(path), "%s/%s", directory, entries[i]->d_name);
		run_file(path);
		free(entries[i]);
	}
	free(entries);
	return count;
}

int main(int argc, char **argv)
{
	const char *srcdir = getenv("srcdir");
	char corpus[4096];

	for (int i = 1; i < argc; i++)
		run_file(argv[i]);
	if (argc > 1)
		return 0;
	snprintf(corpus, sizeof(corpus), "%s/tests/fuzz/corpus/%s", srcdir ? srcdir : ".",
		basename(argv[0]));
	if (run_directory(corpus) > 0)
		return 0;
	fprintf(stderr, "%s is empty\n", corpus);
	return 1;
}
