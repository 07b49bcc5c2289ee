/**
 * `node:http` as it is, without what an `import` of it drags along: that reads every export once, and some of them load
 * TLS and HTTP/2 when they are read, several megabytes that a device may never need.
 */
export const plainHttp = process.getBuiltinModule('node:http')
