/* DescribeUserScramCredentials: users with passwords (KIP-554). */

import {
  array,
  int32,
  int8,
  message,
  nullableArray,
  string,
  struct,
  withDefault,
  type ValueOf,
} from '../schema.js'
import { errorCode, errorMessage } from './message-places.js'

const RANGE = { versions: [0, 0], flexibleSince: 0 } as const

export const describeUserScramCredentialsRequest = message(
  'DescribeUserScramCredentialsRequest',
  RANGE,
  {
    /** null or none: all users. */
    users: nullableArray(struct({ name: string })),
  },
)

export const describeUserScramCredentialsResponse = message(
  'DescribeUserScramCredentialsResponse',
  RANGE,
  {
    throttleTimeMs: withDefault(int32, 0),
    errorCode,
    errorMessage,
    results: array(
      struct({
        user: string,
        errorCode,
        errorMessage,
        credentialInfos: array(struct({ mechanism: int8, iterations: int32 })),
      }),
    ),
  },
)

export type DescribeUserScramCredentialsRequest = ValueOf<
  typeof describeUserScramCredentialsRequest
>
export type DescribeUserScramCredentialsResponse = ValueOf<
  typeof describeUserScramCredentialsResponse
>
