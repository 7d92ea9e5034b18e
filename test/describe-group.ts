/** One group, where a test asks for no others. */

import type { Admin } from '../src/client/admin/admin-api.js'
import type { GroupDescription } from '../src/client/admin/group-admin-options.js'

export async function describeGroup(admin: Admin, groupId: string): Promise<GroupDescription> {
  const [group] = await admin.describeGroups([groupId])
  return group as GroupDescription
}
