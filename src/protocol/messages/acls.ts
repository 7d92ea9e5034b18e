/* Access control lists: DescribeAcls, CreateAcls, DeleteAcls (KIP-140). */

import {
  array,
  int32,
  int8,
  message,
  nullableString,
  since,
  string,
  struct,
  withDefault,
  type ValueOf,
} from '../schema.js'
import { errorCode, errorMessage } from './message-places.js'

const RANGE = { versions: [1, 3], flexibleSince: 2 } as const

/** PatternType.LITERAL */
const LITERAL = 3

const filter = {
  resourceTypeFilter: int8,
  resourceNameFilter: nullableString,
  patternTypeFilter: since(1, int8, LITERAL),
  principalFilter: nullableString,
  hostFilter: nullableString,
  operation: int8,
  permissionType: int8,
} as const

const entry = { principal: string, host: string, operation: int8, permissionType: int8 } as const

export const describeAclsRequest = message('DescribeAclsRequest', RANGE, filter)

export const describeAclsResponse = message('DescribeAclsResponse', RANGE, {
  throttleTimeMs: withDefault(int32, 0),
  errorCode,
  errorMessage,
  resources: array(
    struct({
      resourceType: int8,
      resourceName: string,
      patternType: since(1, int8, LITERAL),
      acls: array(struct(entry)),
    }),
  ),
})

export const createAclsRequest = message('CreateAclsRequest', RANGE, {
  creations: array(
    struct({
      resourceType: int8,
      resourceName: string,
      resourcePatternType: since(1, int8, LITERAL),
      ...entry,
    }),
  ),
})

export const createAclsResponse = message('CreateAclsResponse', RANGE, {
  throttleTimeMs: withDefault(int32, 0),
  results: array(struct({ errorCode, errorMessage })),
})

export const deleteAclsRequest = message('DeleteAclsRequest', RANGE, {
  filters: array(struct(filter)),
})

export const deleteAclsResponse = message('DeleteAclsResponse', RANGE, {
  throttleTimeMs: withDefault(int32, 0),
  filterResults: array(
    struct({
      errorCode,
      errorMessage,
      matchingAcls: array(
        struct({
          errorCode,
          errorMessage,
          resourceType: int8,
          resourceName: string,
          patternType: since(1, int8, LITERAL),
          ...entry,
        }),
      ),
    }),
  ),
})

export type DescribeAclsRequest = ValueOf<typeof describeAclsRequest>
export type DescribeAclsResponse = ValueOf<typeof describeAclsResponse>
export type CreateAclsRequest = ValueOf<typeof createAclsRequest>
export type CreateAclsResponse = ValueOf<typeof createAclsResponse>
export type DeleteAclsRequest = ValueOf<typeof deleteAclsRequest>
export type DeleteAclsResponse = ValueOf<typeof deleteAclsResponse>
