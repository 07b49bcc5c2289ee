/**
 * Node's HTTP without what its ES module brings along. An `import` reads all names of a built-in module, and one of those of
 * `node:http` loads a whole client: twenty milliseconds of every start, and twelve megabytes, for what nobody here uses.
 */
export const { Agent, METHODS, STATUS_CODES, ServerResponse, createServer, request } =
  process.getBuiltinModule('node:http')
