const deeds = {
  well: async () => {},
  throws: async () => {
    throw new Error('no line')
  },
  never: () => new Promise(() => {}),
  dies: () => process.exit(1),
  class: async () => new Date(),
}

export default {
  apiVersion: 1,
  name: 'does',
  protocols: [{ name: 'does_v1', delivery: 'queued', dials: true }],
  open: async () => ({ dial: ({ deed }) => deeds[deed](), close: async () => {} }),
}
