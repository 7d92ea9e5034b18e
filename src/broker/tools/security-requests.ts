/*
 * DescribeAcls, CreateAcls, DeleteAcls (v1–v3): there is no authorizer, as in a Kafka broker
 * without `authorizer.class.name`. DescribeUserScramCredentials (v0): there are no users.
 */

import { repeated } from '../../base/repeated.js'
import { PartlogError } from '../../model/errors.js'
import type {
  CreateAclsRequest,
  CreateAclsResponse,
  DeleteAclsRequest,
  DeleteAclsResponse,
  DescribeAclsResponse,
} from '../../protocol/messages/acls.js'
import type {
  DescribeUserScramCredentialsRequest,
  DescribeUserScramCredentialsResponse,
} from '../../protocol/messages/scram-users.js'
import { errorFields, NO_ERROR } from '../node/answer-errors.js'
import type { BrokerContext } from '../node/context.js'

const noAuthorizer = errorFields(
  new PartlogError('SECURITY_DISABLED', 'No Authorizer is configured.'),
)

export function describeAcls(): DescribeAclsResponse {
  return { ...noAuthorizer, resources: [] }
}

export function createAcls(_: BrokerContext, { creations }: CreateAclsRequest): CreateAclsResponse {
  return { results: creations.map(() => noAuthorizer) }
}

export function deleteAcls(_: BrokerContext, { filters }: DeleteAclsRequest): DeleteAclsResponse {
  return { filterResults: filters.map(() => ({ ...noAuthorizer, matchingAcls: [] })) }
}

export function describeUserScramCredentials(
  _: BrokerContext,
  { users }: DescribeUserScramCredentialsRequest,
): DescribeUserScramCredentialsResponse {
  const names = (users ?? []).map(({ name }) => name)
  const doubled = repeated(names)
  const results = [...new Set(names)].map(user => ({
    user,
    ...errorFields(doubled.has(user) ? namedTwice(user) : unknownUser(user)),
    credentialInfos: [],
  }))
  return { ...NO_ERROR, results }
}

function unknownUser(user: string): PartlogError {
  return new PartlogError('RESOURCE_NOT_FOUND', `user ${user} has no password: there are no users`)
}

function namedTwice(user: string): PartlogError {
  return new PartlogError('DUPLICATE_RESOURCE', `user ${user} is named twice`)
}
