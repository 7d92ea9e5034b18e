/** NestJS' Kafka transport, unmodified: on kafkajs, so it needs no port. */

import { compareSessions } from './compare.mjs'
import * as nestjs from './clients/nestjs.mjs'

compareSessions(nestjs)
