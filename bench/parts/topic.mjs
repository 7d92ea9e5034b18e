/** The topic that is measured, and the one that writers warm up in. */

export const TOPIC = 'orders'
export const WARM_UP_TOPIC = 'warm-up'
