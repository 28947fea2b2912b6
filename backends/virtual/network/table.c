/*
 * table.c: the simulated network as a loop's network. Loop's thread only.
 */
#include "../../../core/io/network.h"
#include "ends.h"
#include "names.h"
#include "tcp.h"

/* Where there is no IPv6. */
static bool sim_lacks(int rc, const il_address *address)
{
	(void)address;
	return rc == -EAFNOSUPPORT;
}

const struct il__network il__sim_network = {
    .resolve = il__sim_resolve,
    .connect = il__sim_connect,
    .connected = il__sim_connected,
    .stream = il__sim_stream,
    .listen = il__sim_listen,
    .lacks = sim_lacks,
    .accept = il__sim_accept,
    .datagram = il__sim_datagram_open,
    .dual = il__sim_datagram_dual,
    .receive = il__sim_datagram_receive,
    .send = il__sim_datagram_send,
    .address = il__sim_end_address,
    .option = il__sim_option,
    .ready = il__sim_end_ready,
    .close = il__sim_end_close,
};
