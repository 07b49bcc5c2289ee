/** ExoPort: BERT-RPC with a handshake and tokens, both ends, without sockets. */
export {}
