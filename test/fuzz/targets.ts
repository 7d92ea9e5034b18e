/** All targets of the fuzz. */

import { BATCH_TARGETS } from './batch-targets.js'
import { DOOR_TARGET } from './door-target.js'
import { FILE_TARGETS } from './file-targets.js'
import { FOLDER_TARGET } from './folder-target.js'
import { MESSAGE_TARGETS } from './message-targets.js'
import { STREAM_TARGETS } from './stream-targets.js'
import type { Target } from './target.js'
import { TEXT_TARGETS } from './text-targets.js'

export const TARGETS: readonly Target[] = [
  ...BATCH_TARGETS,
  ...FILE_TARGETS,
  ...MESSAGE_TARGETS,
  ...TEXT_TARGETS,
  ...STREAM_TARGETS,
  DOOR_TARGET,
  FOLDER_TARGET,
]
