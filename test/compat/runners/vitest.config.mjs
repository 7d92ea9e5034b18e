export default { test: { globals: true, include: ['in-esm.mjs'] } }
