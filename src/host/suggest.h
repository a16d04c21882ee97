/* SPDX-License-Identifier: ISC */
/* "Did you mean ...?": the known word that a mistyped one is nearest to. */
#ifndef HOST_SUGGEST_H
#define HOST_SUGGEST_H

/* The candidate (of a list that ends with NULL) that differs from the word by few slips: a letter
 * too many, too few, wrong or swapped with its neighbour, letter case aside; or that the word is
 * the beginning of; or, as the only one, the end. NULL if none is close enough to be meant. */
const char *suggest_nearest(const char *word, const char *const *candidates);

#endif
