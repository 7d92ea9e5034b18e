/** Options of admins, with Kafka's defaults. */

import type { OptionTable, OptionValues } from '../../base/options.js'
import { RETRY_OPTIONS } from '../line/client-config.js'

export const ADMIN_OPTIONS = RETRY_OPTIONS satisfies OptionTable

export type AdminSettings = OptionValues<typeof ADMIN_OPTIONS>
