process.send({ kind: 'nonsense' })
export default {}
