/* ListGroups, DescribeGroups, DeleteGroups, for the groups that this broker coordinates. */

import { paced } from '../../base/tasks.js'
import { isPartlogError } from '../../model/errors.js'
import type {
  DeleteGroupsRequest,
  DeleteGroupsResponse,
  DescribeGroupsRequest,
  DescribeGroupsResponse,
  ListGroupsRequest,
  ListGroupsResponse,
} from '../../protocol/messages/group-admin.js'
import { errorFields, NO_ERROR } from '../node/answer-errors.js'
import { operationsOn } from '../node/authorized.js'
import type { BrokerContext } from '../node/context.js'

export async function listGroups(
  broker: BrokerContext,
  { statesFilter = [], typesFilter = [] }: ListGroupsRequest,
): Promise<ListGroupsResponse> {
  const fits = (filter: readonly string[], value: string): boolean =>
    filter.length === 0 || filter.some(each => each.toLowerCase() === value.toLowerCase())
  const coordinators = await broker.groups.all().catch(errorFields)
  if (!Array.isArray(coordinators)) return { errorCode: coordinators.errorCode, groups: [] }
  const groups = coordinators
    .flatMap(coordinator => coordinator.groups)
    .filter(({ state, type }) => fits(statesFilter, state) && fits(typesFilter, type))
    .map(({ groupId, protocolType, state: groupState, type: groupType }) => {
      return { groupId, protocolType, groupState, groupType }
    })
  return { errorCode: 0, groups }
}

type DescribedGroup = DescribeGroupsResponse['groups'][number]

export async function describeGroups(
  broker: BrokerContext,
  { groups: wanted, includeAuthorizedOperations = false }: DescribeGroupsRequest,
): Promise<DescribeGroupsResponse> {
  const groups: DescribedGroup[] = []
  const authorizedOperations = operationsOn('group', includeAuthorizedOperations)
  for await (const groupId of paced(wanted, broker.clock)) {
    const group = await describeGroup(broker, groupId)
    groups.push(group.errorCode === 0 ? { ...group, authorizedOperations } : group)
  }
  return { groups }
}

async function describeGroup(broker: BrokerContext, groupId: string): Promise<DescribedGroup> {
  try {
    const view = (await broker.groups.of(groupId)).describe(groupId)
    return {
      ...NO_ERROR,
      groupId,
      groupState: view.state,
      protocolType: view.protocolType,
      protocolData: view.protocolName,
      members: view.members.map(({ metadata, assignment, ...names }) => {
        return { ...names, memberMetadata: metadata, memberAssignment: assignment }
      }),
    }
  } catch (error) {
    // Kafka describes an unknown group as Dead.
    const groupState = isPartlogError(error, 'GROUP_ID_NOT_FOUND') ? 'Dead' : ''
    const nothing = { groupState, protocolType: '', protocolData: '', members: [] }
    return { ...errorFields(error), groupId, ...nothing }
  }
}

export async function deleteGroups(
  broker: BrokerContext,
  { groupsNames }: DeleteGroupsRequest,
): Promise<DeleteGroupsResponse> {
  const results: DeleteGroupsResponse['results'][number][] = []
  for await (const groupId of paced(new Set(groupsNames), broker.clock)) {
    try {
      await (await broker.groups.of(groupId)).deleteGroup(groupId)
      results.push({ groupId, ...NO_ERROR })
    } catch (error) {
      results.push({ groupId, ...errorFields(error) })
    }
  }
  return { results }
}
