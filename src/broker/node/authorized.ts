/*
 * What a client may do, as bits of Kafka's AclOperation. There is no access control, so a client
 * may do everything, as Kafka answers without an authorizer.
 */

import { NOT_ASKED } from '../../protocol/messages/metadata.js'

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

const ALL = {
  topic: bitsOf(
    'read',
    'write',
    'create',
    'describe',
    'delete',
    'alter',
    'describeConfigs',
    'alterConfigs',
  ),
  group: bitsOf('read', 'describe', 'delete', 'describeConfigs', 'alterConfigs'),
  cluster: bitsOf(
    'create',
    'clusterAction',
    'describeConfigs',
    'alterConfigs',
    'idempotentWrite',
    'alter',
    'describe',
  ),
} as const

export function operationsOn(what: keyof typeof ALL, isAsked: boolean): number {
  return isAsked ? ALL[what] : NOT_ASKED
}
