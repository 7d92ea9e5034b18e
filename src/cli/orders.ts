/* Generates a realistic stream of orders; the same seed gives the same orders. */

import { seededRandom, type Random } from '../base/random.js'

const STATES = ['created', 'paid', 'packed', 'shipped', 'delivered'] as const
const ITEMS = ['teapot', 'lamp', 'chair', 'kettle', 'notebook', 'rug', 'clock', 'mirror'] as const
/** How many orders are in progress at a time. */
const OPEN_ORDERS = 500
const FIRST_ORDER_MS = Date.UTC(2026, 0, 1)

interface Order {
  readonly id: string
  readonly customer: string
  readonly item: string
  readonly quantity: number
  readonly cents: number
  step: number
}

/** Events as lines of JSON: the orders are interleaved, and their times ascend. */
export function* orderLines(count: number, seed: number): Generator<string> {
  const random = seededRandom(seed)
  const open: Order[] = []
  let created = 0
  let time = FIRST_ORDER_MS
  for (let line = 0; line < count; line++) {
    time += random.int(400)
    while (open.length < OPEN_ORDERS) open.push(newOrder(++created, random))
    const index = random.int(open.length)
    const order = open[index] as Order
    const { id, customer, item, quantity, cents } = order
    const state = STATES[order.step]
    yield JSON.stringify({ id, state, customer, item, quantity, cents, time: isoTime(time) })
    if (++order.step === STATES.length) open.splice(index, 1)
  }
}

function newOrder(number: number, random: Random): Order {
  return {
    id: `order-${String(number).padStart(7, '0')}`,
    customer: `customer-${random.int(20_000)}`,
    item: ITEMS[random.int(ITEMS.length)] as string,
    quantity: 1 + random.int(5),
    cents: 100 + random.int(50_000),
    step: 0,
  }
}

function isoTime(ms: number): string {
  return new Date(ms).toISOString()
}
