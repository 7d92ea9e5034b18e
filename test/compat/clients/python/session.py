"""What every Python client does here: orders come as lines of JSON, answers go as lines of JSON."""

import json
import sys
import threading


def serve(client, error_name):
    """Carries out orders until there are none."""
    consumers = {}
    for line in sys.stdin:
        order = json.loads(line)
        try:
            answer = {"result": carry_out(client, consumers, order)}
        except Exception as error:  # whatever a client raises is an answer
            answer = {"error": error_name(error), "text": f"{order['step']}: {error!r}"}
        print(json.dumps({"id": order["id"], **answer}), flush=True)


def carry_out(client, consumers, order):
    step, given = order["step"], order["given"]
    if step == "consumer":
        reader = Reader(client, *given)
        consumers[order["id"]] = reader
        return order["id"]
    if step == "look":
        return consumers[given[0]].look()
    if step == "leave":
        return consumers.pop(given[0]).close()
    return getattr(client, step)(*given)


class Reader:
    """A consumer in a thread of its own."""

    def __init__(self, client, group, topic):
        self._records = []
        self._is_closing = False
        self._consumer = client.open_consumer(group, topic)
        self._client = client
        self._assigned = []
        self._failure = None
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self):
        try:
            while not self._is_closing:
                self._records.extend(self._client.poll(self._consumer))
                self._assigned = self._client.assigned(self._consumer)
        except Exception as error:  # told to whoever looks
            self._failure = error

    def look(self):
        if self._failure is not None:
            raise self._failure
        return {"records": list(self._records), "partitions": self._assigned}

    def close(self):
        self._is_closing = True
        self._thread.join()
        self._client.close_consumer(self._consumer)
