"""kafka-python."""

import sys

from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import KafkaAdminClient, NewTopic
from session import serve


def in_order(offsets):
    return [offsets[key] for key in sorted(offsets)]


class KafkaPython:
    def __init__(self, bootstrap):
        self._bootstrap = {"bootstrap_servers": bootstrap, "client_id": "app"}
        self._admin = KafkaAdminClient(**self._bootstrap)

    def createTopic(self, topic, partitions, replicas):
        self._admin.create_topics([NewTopic(topic, partitions, replicas)])

    def deleteTopic(self, topic):
        self._admin.delete_topics([topic])

    def listTopics(self):
        return self._admin.list_topics()

    def describeTopic(self, topic):
        partitions = self._admin.describe_topics([topic])[0]["partitions"]
        return {"partitions": len(partitions), "replicas": len(partitions[0]["replicas"])}

    def produce(self, topic, messages):
        producer = KafkaProducer(**self._bootstrap, retries=20)
        sent = [producer.send(topic, **encoded(each)) for each in messages]
        places = [future.get(30) for future in sent]
        producer.close()
        return [{"partition": place.partition, "offset": place.offset} for place in places]

    def open_consumer(self, group, topic):
        return KafkaConsumer(
            topic,
            **self._bootstrap,
            group_id=group,
            auto_offset_reset="earliest",
            session_timeout_ms=6_000,
            heartbeat_interval_ms=300,
            fetch_max_wait_ms=300,
        )

    def poll(self, consumer):
        try:
            found = consumer.poll(timeout_ms=100)
        except ValueError as error:
            # The client met a socket in its selector that its heartbeat thread has closed: a race
            # of its own, the next poll goes on.
            if "Invalid file descriptor" not in str(error):
                raise
            return []
        return [record_of(record) for records in found.values() for record in records]

    def assigned(self, consumer):
        return sorted(each.partition for each in consumer.assignment())

    def close_consumer(self, consumer):
        consumer.close()

    def committed(self, group, _topic):
        offsets = self._admin.list_consumer_group_offsets(group)
        return in_order({at.partition: found.offset for at, found in offsets.items()})

    def offsets(self, topic):
        consumer = KafkaConsumer(**self._bootstrap)
        places = [TopicPartition(topic, each) for each in consumer.partitions_for_topic(topic)]
        at_time = consumer.offsets_for_times({place: 1 for place in places})
        answer = {
            "earliest": in_order(consumer.beginning_offsets(places)),
            "latest": in_order(consumer.end_offsets(places)),
            "atTime": in_order({place: found.offset for place, found in at_time.items()}),
        }
        consumer.close()
        return answer

    def describeGroup(self, group):
        found = self._admin.describe_consumer_groups([group])[0]
        return {
            "state": found.state,
            "protocolType": found.protocol_type,
            "protocol": found.protocol,
            "memberCount": len(found.members),
        }

    def listGroups(self):
        return [name for name, _ in self._admin.list_consumer_groups()]

    def deleteGroup(self, group):
        [(_, error)] = self._admin.delete_consumer_groups([group])
        if error.errno != 0:
            raise error()


def encoded(message):
    return {
        "key": message["key"].encode(),
        "value": message["value"].encode(),
        "headers": [(name, value.encode()) for name, value in message["headers"].items()],
    }


def record_of(record):
    return {
        "partition": record.partition,
        "offset": record.offset,
        "key": record.key.decode(),
        "value": record.value.decode(),
        "headers": {name: value.decode() for name, value in record.headers},
    }


serve(KafkaPython(sys.argv[1].split(",")), lambda error: type(error).__name__)
