"""confluent_kafka, on librdkafka."""

import sys

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic
from session import serve


class Confluent:
    def __init__(self, bootstrap):
        self._bootstrap = {"bootstrap.servers": bootstrap, "client.id": "app"}
        self._admin = AdminClient(self._bootstrap)

    def createTopic(self, topic, partitions, replicas):
        made = self._admin.create_topics([NewTopic(topic, partitions, replicas)])
        made[topic].result()

    def deleteTopic(self, topic):
        self._admin.delete_topics([topic])[topic].result()

    def listTopics(self):
        return list(self._admin.list_topics(timeout=10).topics)

    def describeTopic(self, topic):
        found = self._admin.list_topics(topic, timeout=10).topics[topic]
        partitions = found.partitions
        return {"partitions": len(partitions), "replicas": len(partitions[0].replicas)}

    def produce(self, topic, messages):
        producer = Producer({**self._bootstrap, "enable.idempotence": True})
        places, errors = [], []

        def on_delivery(error, message):
            if error is not None:
                errors.append(error)
            else:
                places.append({"partition": message.partition(), "offset": message.offset()})

        for each in messages:
            headers = list(each["headers"].items())
            producer.produce(topic, each["value"], each["key"], headers=headers, on_delivery=on_delivery)
        if producer.flush(30) > 0 or errors:
            raise RuntimeError(errors)
        return places

    def open_consumer(self, group, topic):
        settings = {
            "group.id": group,
            "auto.offset.reset": "earliest",
            "session.timeout.ms": 6_000,
            "heartbeat.interval.ms": 300,
            "fetch.wait.max.ms": 300,
        }
        consumer = Consumer({**self._bootstrap, **settings})
        consumer.subscribe([topic])
        return consumer

    def poll(self, consumer):
        return [record_of(each) for each in consumer.consume(100, 0.1) if each.error() is None]

    def assigned(self, consumer):
        return sorted(each.partition for each in consumer.assignment())

    def close_consumer(self, consumer):
        consumer.close()

    def committed(self, group, topic):
        consumer = Consumer({**self._bootstrap, "group.id": group})
        places = self._places(topic)
        found = consumer.committed(places, timeout=10)
        consumer.close()
        return [each.offset for each in found]

    def offsets(self, topic):
        consumer = Consumer({**self._bootstrap, "group.id": "nobody"})
        places = self._places(topic)
        ends = [consumer.get_watermark_offsets(place, timeout=10) for place in places]
        times = [TopicPartition(topic, place.partition, 1) for place in places]
        at_time = consumer.offsets_for_times(times, timeout=10)
        consumer.close()
        return {
            "earliest": [low for low, _ in ends],
            "latest": [high for _, high in ends],
            "atTime": [each.offset for each in at_time],
        }

    def describeGroup(self, group):
        [found] = self._admin.list_groups(group, timeout=10)
        return {
            "state": found.state,
            "protocolType": found.protocol_type,
            "protocol": found.protocol,
            "memberCount": len(found.members),
        }

    def listGroups(self):
        return [each.id for each in self._admin.list_groups(timeout=10)]

    def _places(self, topic):
        count = self.describeTopic(topic)["partitions"]
        return [TopicPartition(topic, each) for each in range(count)]


def record_of(message):
    return {
        "partition": message.partition(),
        "offset": message.offset(),
        "key": message.key().decode(),
        "value": message.value().decode(),
        "headers": {name: value.decode() for name, value in message.headers()},
    }


def error_name(error):
    if isinstance(error, KafkaException):
        return error.args[0].name()
    return type(error).__name__


serve(Confluent(sys.argv[1]), error_name)
