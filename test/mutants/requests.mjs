/** Bugs in the handlers of requests. */

export const requests = [
]
