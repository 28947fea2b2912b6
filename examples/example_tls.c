/*
 * example_tls.c: TLS for any of the servers, by an option: its handler does not know.
 */
#include "example.h"

#include <stdio.h>
#include <stdlib.h>

#if EXAMPLE_HAS_TLS
#include <interloop/tls.h>

const struct il_layer *example_layer(int argc, char **argv)
{
	static il_tls *tls; /* for as long as the program runs */
	char **files = example_values(argc, argv, "--tls");
	if (!files)
		return NULL;
	const il_tls_options options = {.certificate_file = files[0], .key_file = files[1]};
	if (il_tls_create(&tls, &options) < 0) {
		fprintf(stderr, "%s: --tls: %s\n", argv[0], il_error_detail());
		exit(2);
	}
	return il_tls_layer(tls);
}
#else
const struct il_layer *example_layer(int argc, char **argv)
{
	if (!example_values(argc, argv, "--tls"))
		return NULL;
	fprintf(stderr, "%s: --tls: interloop-tls is not there\n", argv[0]);
	exit(2);
}
#endif
