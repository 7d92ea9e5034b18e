/* Turns what brokers, controller and coordinators report into events and log lines. */

import type { Logger } from '../base/logger.js'
import type { Signal } from '../base/tasks.js'
import type { GroupListener } from '../coordinator/groups/rebalance-reporter.js'
import type { BrokerSet, BrokerSetOptions } from './broker-set.js'
import type { EventSource } from './events.js'

type Reports = Pick<BrokerSetOptions, 'onNews' | 'onTruncated' | 'onRepairing'>

/** Events of brokers and controller. */
export function reportsOf(events: EventSource, brokers: () => BrokerSet | undefined): Reports {
  return {
    onNews({ topic, partition, before, after }) {
      if (before === undefined) return
      const { leader, leaderEpoch, isr } = after
      const place = { topic, partition }
      if (leaderEpoch !== before.leaderEpoch) {
        const isUnclean = leader >= 0 && !before.isr.includes(leader)
        const previousLeader = before.leader
        events.emit('leader', { ...place, leader, leaderEpoch, previousLeader, isUnclean })
        const loss = isUnclean ? brokers()?.lossUnder(leader, place) : undefined
        if (loss !== undefined) events.emit('dataLoss', { ...place, broker: leader, ...loss })
      }
      if (isr.join() !== before.isr.join()) {
        events.emit('isr', { ...place, isr, previousIsr: before.isr })
      }
    },
    onRepairing: (broker, { topicPartition }, folder) =>
      events.emit('repair', { ...topicPartition, broker, folder }),
    onTruncated(broker, { partition, fromOffset, toOffset, keptIn, highWatermark }) {
      const place = { ...partition.topicPartition, broker }
      events.emit('truncation', { ...place, fromOffset, toOffset, keptIn })
      if (toOffset >= highWatermark) return
      events.emit('dataLoss', { ...place, fromOffset: toOffset, toOffset: highWatermark })
    },
  }
}

/** Events of groups. A rebalance is normal, so it is logged as info; a shared id as a warning. */
export function groupListener(events: EventSource, news: Signal, logger: Logger): GroupListener {
  return {
    rebalanced(event) {
      const { groupId, generationId, reason, members } = event
      logger.info(`group ${groupId} is in generation ${generationId}: ${reason}`, {
        members: members.map(({ clientId }) => clientId),
      })
      events.emit('rebalance', event)
    },
    shared(event) {
      logger.warn(`group ${event.groupId} may be shared by mistake: ${event.reason}`)
      events.emit('sharedGroup', event)
    },
    changed: () => news.notify(),
    failed: (sentence, error) => logger.error(sentence, { error }),
  }
}
