/**
 * What a client may do, as bits of Kafka's AclOperation. Nobody is kept out here, so it is all that
 * can be done, as Kafka answers without an authorizer.
 */

const OPERATION = {
  read: 3,
  write: 4,
  create: 5,
  delete: 6,
  alter: 7,
  describe: 8,
  clusterAction: 9,
  describeConfigs: 10,
  alterConfigs: 11,
  idempotentWrite: 12,
} as const

function bitsOf(...operations: readonly (keyof typeof OPERATION)[]): number {
  return operations.reduce((bits, operation) => bits | (1 << OPERATION[operation]), 0)
}

/** Nobody asked. */
const NOT_ASKED = -(2 ** 31)

const ALL = {
  topic: bitsOf(
    ...(['read', 'write', 'create', 'describe', 'delete', 'alter'] as const),
    ...(['describeConfigs', 'alterConfigs'] as const),
  ),
  group: bitsOf('read', 'describe', 'delete', 'describeConfigs', 'alterConfigs'),
  cluster: bitsOf(
    ...(['create', 'clusterAction', 'describeConfigs', 'alterConfigs'] as const),
    ...(['idempotentWrite', 'alter', 'describe'] as const),
  ),
} as const

export function operationsOn(what: keyof typeof ALL, isAsked: boolean): number {
  return isAsked ? ALL[what] : NOT_ASKED
}
