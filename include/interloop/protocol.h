/**
 * @file protocol.h
 * @brief Protocols: where a packet ends in a stream of bytes, and how one is framed.
 *
 * A protocol is a struct of two functions and their state, so a protocol of your own is written as
 * the library's are: `find` looks for a packet in the bytes received so far, `frame`, if there is
 * one, says what goes before and after one that is sent. Neither waits, neither keeps bytes: the
 * server has one receive buffer per client, packets are found in place, and what a parser must
 * remember between two calls is kept in il_parse. A server copies the struct it is given. Any
 * thread.
 */
#ifndef INTERLOOP_PROTOCOL_H
#define INTERLOOP_PROTOCOL_H

#include <interloop/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * @defgroup protocol Protocols
 * @{
 */

/** The bytes of one packet, its framing stripped. */
typedef struct il_packet {
	const void *data;  /**< Its bytes. */
	size_t size;       /**< How many. */
	void *reserved[2]; /**< Zero. */
} il_packet;

/** One client's receive buffer, and how far its parser has come. */
typedef struct il_parse {
	unsigned char *data; /**< The bytes not consumed; they may be rewritten in place. */
	size_t size;         /**< How many there are: 1 or more. */
	size_t limit;        /**< The most that a packet may have: the server's max_packet. */
	size_t scanned; /**< The parser's own: how many it has looked at; 0 at a packet's begin. */
	uint64_t state[4]; /**< The parser's own: 0 when the client connects, then untouched. */
	il_packet packet;  /**< Out, with 1: it points into data, or to memory of yours. */
	size_t consumed;   /**< Out: how many bytes are done with; 0 on entry. */
	void *reserved[4]; /**< Zero. */
} il_parse;

/** One packet on its way out. Sent are head, data and tail, in this order. */
typedef struct il_frame {
	const void *data;       /**< In: the packet. It may be pointed elsewhere. */
	size_t size;            /**< Bytes of data. */
	unsigned char head[24]; /**< Out: what goes before. */
	size_t head_size;       /**< Bytes of head; 0 on entry. */
	const void *tail;       /**< Out: what goes after; valid until the packet is sent. */
	size_t tail_size;       /**< Bytes of tail; 0 on entry. */
	/** Out: called once, when the packet was sent or could not be; NULL on entry. */
	void (*release)(struct il_frame *frame);
	void *pointer;     /**< For release. */
	void *reserved[4]; /**< Zero. */
} il_frame;

/** A protocol; zeroed members beyond the two functions mean the defaults. */
typedef struct il_protocol {
	const char *name; /**< For people. */
	/**
	 * Looks for one packet at the start of parse->data.
	 * @return 1: found, `packet` and `consumed` (framing included, 1 or more) are set; 0: more
	 *         bytes are needed; those that will not be needed again may be consumed (then it is
	 *         called again at once if bytes are left); negative: -EBADMSG, -EMSGSIZE or a code
	 *         of your own for il_client_receive. The next packet begins `consumed` bytes on; 0:
	 *         it cannot be known where, nothing more is received from this client. Called again
	 *         with more bytes, and with `scanned` as it was left, so that no byte needs to be
	 *         looked at twice. data may have moved: remember offsets only.
	 */
	int (*find)(const struct il_protocol *protocol, il_parse *parse);
	/**
	 * Frames one packet; NULL: packets are sent as they are.
	 * @return 0; negative: il_client_send() returns it, nothing is sent.
	 */
	int (*frame)(const struct il_protocol *protocol, il_frame *frame);
	size_t overhead; /**< The most bytes that framing adds to a packet; 0: 64. */
	size_t least;    /**< A server with a smaller max_packet refuses the protocol. */
	/** The two functions' own. */
	struct {
		uint64_t number[2];
		void *pointer; /**< Must outlive the server. */
		unsigned char bytes[32];
	} state;
	void *reserved[8]; /**< Zero. */
} il_protocol;

/**
 * @brief No framing, for handlers that parse a stream themselves: each receive gives the bytes that
 * are there, one or more, and bytes are sent as they are.
 *
 * A receive gives at most max_packet bytes, and as many as the client's buffer has room for: give
 * il_server_options.receive_buffer what is to be received at once. The end of the stream is 0,
 * never -ENODATA.
 */
IL_API const il_protocol *il_protocol_bytes(void);

/**
 * @brief Lines: they end in LF or CR LF, which is stripped; LF is sent.
 *
 * A line longer than the limit is -EMSGSIZE; the rest of it is skipped, and the next line is a
 * packet again. A last line without its end is -ENODATA. A packet that has line ends inside reaches
 * the peer as several lines.
 */
IL_API const il_protocol *il_protocol_lines(void);

/**
 * @brief Lines that end in exactly separator.
 * @param separator  1 to 32 bytes, copied; NULL: as il_protocol_lines(). One that is empty or
 *                   longer leaves *out without functions, which a server refuses with -EINVAL.
 * @param keep       packets keep their separator, also in the limit; one that is sent with it gets
 *                   no second one.
 */
IL_API void il_protocol_lines_with(il_protocol *out, const char *separator, bool keep);

/** Byte orders of il_protocol_length_prefixed_with(), as in <endian.h>. */
enum { IL_LITTLE_ENDIAN = 1234, IL_BIG_ENDIAN = 4321 };

/**
 * @brief Packets after their length in 4 bytes, big-endian (network order).
 *
 * A length beyond the limit is -EMSGSIZE, at once; that many bytes are skipped as they come, and
 * what follows is a packet again. A handler that does not trust the peer any more closes the
 * client.
 */
IL_API const il_protocol *il_protocol_length_prefixed(void);

/**
 * @brief As il_protocol_length_prefixed(), with a length of another form. A packet too long for it
 * is -EMSGSIZE in il_client_send().
 * @param width  1 to 8 bytes.
 * @param order  IL_BIG_ENDIAN (also 0) or IL_LITTLE_ENDIAN. Anything else, or another width, leaves
 *               *out without functions, which a server refuses with -EINVAL.
 */
IL_API void il_protocol_length_prefixed_with(il_protocol *out, unsigned width, int order);

/**
 * @brief Packets of always size bytes, 1 or more; another size is -EBADMSG in il_client_send(). A
 * server whose limit is smaller refuses it with -EINVAL.
 */
IL_API void il_protocol_fixed_with(il_protocol *out, size_t size);

/**
 * @brief Netstrings ("5:hello,"), as D. J. Bernstein defined them.
 *
 * Bytes that are no netstring are -EBADMSG, a length beyond the limit is -EMSGSIZE; after both
 * nothing more is received from that client.
 */
IL_API const il_protocol *il_protocol_netstring(void);

/** @} */

#ifdef __cplusplus
}
#endif

#endif
