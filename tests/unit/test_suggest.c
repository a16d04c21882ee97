/* SPDX-License-Identifier: ISC */
/* Mistyped words and what was meant. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "host/suggest.h"

static void nearest_words(void **state)
{
	static const char *const words[] = { "run", "check", "status", "genkey", "genpsk", "pubkey",
		"reload", "down", NULL };
	static const char *const cases[][2] = { { "chek", "check" }, { "chekc", "check" },
		{ "RUN", "run" }, { "rnu", "run" }, { "stat", "status" }, { "statsu", "status" },
		{ "genkye", "genkey" }, { "pupkey", "pubkey" }, { "reaload", "reload" },
		{ "dwon", "down" }, { "atus", "status" }, { "key", NULL }, { "nkey", "genkey" },
		{ "frobnicate", NULL }, { "", NULL }, { "x", NULL }, { "xy", NULL },
		{ "wxyzq", NULL }, { "gen", "genkey" },
		{ "statusstatusstatusstatusstatusstatus", NULL } };
	(void)state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *nearest = suggest_nearest(cases[i][0], words);

		if (!cases[i][1])
			assert_null(nearest);
		else
			assert_string_equal(nearest ? nearest : "nothing", cases[i][1]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(nearest_words) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
