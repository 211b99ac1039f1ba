#!/usr/bin/env python3
"""The official `openai` client against the real binary: chat, completions, streams, n, stop, seed, logprobs, error shapes.

Usage: openai_client_test.py ATTUNE_BINARY MODEL. Exit code 77 (skipped) if the client library, the binary or the model is absent.
"""

import json
import os
import re
import signal
import struct
import subprocess
import sys
import tempfile
import unittest

try:
    import openai
except ImportError:
    print("skipped: the Python package openai is not installed")
    sys.exit(77)

KEY = "test-key"


def as_float32(values):
    """The bytes of the numbers in F32: decimals in JSON and base64 stand for the same ones."""
    return struct.pack(f"<{len(values)}f", *values)


class Server:
    """attune serve on a free port, with an empty store and no recommender."""

    def __init__(self, binary, model):
        self.folder = tempfile.TemporaryDirectory()
        self.process = subprocess.Popen(
            [binary, "serve", "-m", model, "--port", "0", "--api-key", KEY, "--recommender", "", "-c", "512",
             "--store", os.path.join(self.folder.name, "attune.db")],
            stderr=subprocess.PIPE, text=True)
        self.url = None
        for line in self.process.stderr:
            match = re.search(r"listening on (http://\S+?),", line)
            self.url = match.group(1) if match else self.url
            if line.startswith("ready"):
                return
        raise SystemExit("the server did not start")

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(timeout=20)
        self.process.stderr.close()
        self.folder.cleanup()
        return code


class OpenAiClient(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server(BINARY, MODEL)
        cls.client = openai.OpenAI(base_url=cls.server.url + "/v1", api_key=KEY, max_retries=0, timeout=120)
        cls.model = cls.client.models.list().data[0].id
        cls.messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Say something."}]

    @classmethod
    def tearDownClass(cls):
        cls.client.close()
        if cls.server.stop() != 0:
            raise AssertionError("SIGTERM did not end the server with exit code 0")

    def chat(self, **fields):
        fields = {"model": self.model, "messages": self.messages, "max_tokens": 16, "seed": 1, **fields}
        return self.client.chat.completions.create(**fields)

    def complete(self, **fields):
        fields = {"model": self.model, "prompt": "Once upon a time", "max_tokens": 16, "seed": 1, **fields}
        return self.client.completions.create(**fields)

    def test_models(self):
        model = self.client.models.retrieve(self.model)
        self.assertEqual((model.id, model.object), (self.model, "model"))
        with self.assertRaises(openai.NotFoundError):
            self.client.models.retrieve("gpt-4")

    def test_chat(self):
        answer = self.chat()
        self.assertEqual(answer.object, "chat.completion")
        self.assertEqual(answer.choices[0].message.role, "assistant")
        self.assertIsInstance(answer.choices[0].message.content, str)
        self.assertIn(answer.choices[0].finish_reason, ("stop", "length"))
        self.assertEqual(answer.usage.total_tokens, answer.usage.prompt_tokens + answer.usage.completion_tokens)
        self.assertEqual(answer.choices[0].message.content, self.chat().choices[0].message.content)

    def test_chat_stream_equals_whole(self):
        whole = self.chat().choices[0]
        chunks = list(self.chat(stream=True, stream_options={"include_usage": True}))
        self.assertEqual(chunks[0].choices[0].delta.role, "assistant")
        text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
        self.assertEqual(text, whole.message.content)
        reasons = [c.choices[0].finish_reason for c in chunks if c.choices]
        self.assertEqual(reasons[-1], whole.finish_reason)
        self.assertTrue(all(reason is None for reason in reasons[:-1]))
        self.assertEqual(chunks[-1].choices, [])
        self.assertGreater(chunks[-1].usage.completion_tokens, 0)

    def test_n_and_seed(self):
        answer = self.complete(n=4, temperature=1.5)
        texts = [choice.text for choice in answer.choices]
        self.assertEqual([choice.index for choice in answer.choices], [0, 1, 2, 3])
        self.assertGreater(len(set(texts)), 1)
        self.assertEqual(texts, [choice.text for choice in self.complete(n=4, temperature=1.5).choices])
        self.assertNotEqual(texts, [choice.text for choice in self.complete(n=4, temperature=1.5, seed=2).choices])

    def test_stop(self):
        whole = self.complete(temperature=0, max_tokens=32).choices[0].text
        self.assertGreater(len(whole), 4)
        stop = whole[2:5]
        answer = self.complete(temperature=0, max_tokens=32, stop=[stop]).choices[0]
        self.assertEqual(answer.text, whole[: whole.index(stop)])
        self.assertEqual(answer.finish_reason, "stop")
        streamed = "".join(c.choices[0].text for c in self.complete(temperature=0, max_tokens=32, stop=[stop], stream=True))
        self.assertEqual(streamed, answer.text)

    def test_completion_prompts(self):
        self.assertEqual(len(self.complete(prompt=["one", "two"]).choices), 2)
        self.assertEqual(len(self.complete(prompt=[2, 5, 6]).choices), 1)
        self.assertEqual(self.complete(max_tokens=1).usage.completion_tokens, 1)

    def test_logprobs(self):
        content = self.chat(logprobs=True, top_logprobs=3, temperature=0).choices[0].logprobs.content
        for token in content:
            self.assertLessEqual(token.logprob, 0)
            self.assertEqual(len(token.top_logprobs), 3)
            self.assertEqual(bytes(token.bytes).decode(errors="replace"), token.token)
        for first in content:  # greedy: the token is the likeliest
            self.assertEqual(first.top_logprobs[0].token, first.token)
        logprobs = self.complete(logprobs=2).choices[0].logprobs
        self.assertEqual(len(logprobs.tokens), len(logprobs.token_logprobs))
        self.assertEqual(len(logprobs.tokens), len(logprobs.text_offset))

    def test_logit_bias(self):
        first = self.chat(logprobs=True, temperature=0).choices[0].logprobs.content[0]
        ids = self.client.post("/../tokenize", body={"content": first.token}, cast_to=object)["tokens"]
        self.assertGreaterEqual(len(ids), 2)  # BOS and at least one piece
        answer = self.complete(temperature=0, max_tokens=4, logit_bias={str(ids[-1]): 100})
        text = self.client.post("/../detokenize", body={"tokens": [ids[-1]]}, cast_to=object)["content"]
        self.assertEqual(answer.choices[0].text.replace("\ufffd", ""), (text * 4).replace("\ufffd", ""))

    SCHEMA = {"type": "object", "additionalProperties": False, "required": ["name", "age", "kind"],
              "properties": {"name": {"type": "string", "maxLength": 8}, "age": {"type": "integer", "minimum": 0, "maximum": 99},
                             "kind": {"enum": ["adult", "child"]}}}

    def schema_format(self, schema):
        return {"type": "json_schema", "json_schema": {"name": "person", "strict": True, "schema": schema}}

    def test_response_format(self):
        for seed in range(4):
            fields = {"response_format": self.schema_format(self.SCHEMA), "max_tokens": 120, "seed": seed, "temperature": 1}
            choice = self.chat(**fields).choices[0]
            value = json.loads(choice.message.content)
            self.assertEqual(choice.finish_reason, "stop")
            self.assertEqual(list(value), ["name", "age", "kind"])
            self.assertLessEqual(len(value["name"]), 8)
            self.assertTrue(isinstance(value["age"], int) and 0 <= value["age"] <= 99)
            self.assertIn(value["kind"], ("adult", "child"))
            streamed = "".join(c.choices[0].delta.content or "" for c in self.chat(stream=True, **fields))
            self.assertEqual(streamed, choice.message.content)
        answer = self.chat(response_format={"type": "json_object"}, max_tokens=200, logit_bias={})
        self.assertTrue(answer.choices[0].message.content.startswith("{"))
        if answer.choices[0].finish_reason == "stop":
            self.assertIsInstance(json.loads(answer.choices[0].message.content), dict)
        logprobs = self.chat(response_format=self.schema_format(self.SCHEMA), logprobs=True, top_logprobs=2).choices[0].logprobs
        self.assertTrue(all(token.logprob <= 0 for token in logprobs.content))
        bad = self.schema_format({"type": "object", "properties": {"x": {"not": {}}}})
        self.expect_error(openai.BadRequestError, lambda: self.chat(response_format=bad), 400, code="invalid_json_schema",
                          param="response_format.json_schema.schema")

    def test_embeddings(self):
        texts = ["a slow film with rain", "A quick brown fox", "a slow film with rain"]
        answer = self.client.embeddings.create(model=self.model, input=texts)  # the client asks for base64
        self.assertEqual([item.index for item in answer.data], [0, 1, 2])
        first = answer.data[0].embedding
        self.assertEqual(first, answer.data[2].embedding)
        self.assertNotEqual(first, answer.data[1].embedding)
        self.assertAlmostEqual(sum(x * x for x in first), 1, places=5)
        self.assertGreater(answer.usage.prompt_tokens, 6)
        alone = self.client.embeddings.create(model=self.model, input=texts[0], encoding_format="float")
        self.assertEqual(as_float32(alone.data[0].embedding), as_float32(first))
        ids = self.client.post("/../tokenize", body={"content": texts[0]}, cast_to=object)["tokens"]
        by_ids = self.client.embeddings.create(model=self.model, input=[ids])
        self.assertEqual(by_ids.data[0].embedding, first)
        self.expect_error(openai.BadRequestError, lambda: self.client.embeddings.create(model=self.model, input=""), 400, param="input")

    def expect_error(self, error_class, call, status, **body):
        with self.assertRaises(error_class) as caught:
            call()
        self.assertEqual(caught.exception.status_code, status)
        for name, value in body.items():
            self.assertEqual(caught.exception.body[name], value)
        self.assertIsInstance(caught.exception.body["message"], str)

    def test_errors(self):
        bad = openai.BadRequestError
        self.expect_error(bad, lambda: self.chat(temperature=-1), 400, param="temperature", type="invalid_request_error")
        self.expect_error(bad, lambda: self.chat(n=17), 400, param="n")
        self.expect_error(bad, lambda: self.chat(messages=[]), 400, param="messages")
        self.expect_error(bad, lambda: self.chat(stop=["a"] * 5), 400, param="stop")
        self.expect_error(bad, lambda: self.chat(top_logprobs=3), 400, param="top_logprobs")
        self.expect_error(bad, lambda: self.complete(echo=True), 400, param="echo", code="unsupported_parameter")
        self.expect_error(bad, lambda: self.complete(prompt="word " * 2000), 400, code="context_length_exceeded")
        self.expect_error(openai.NotFoundError, lambda: self.chat(model="gpt-4"), 404, code="model_not_found")
        stranger = openai.OpenAI(base_url=self.server.url + "/v1", api_key="wrong", max_retries=0)
        self.expect_error(openai.AuthenticationError, stranger.models.list, 401, code="invalid_api_key")
        stranger.close()
        tools = [{"type": "function", "function": {"name": "f", "parameters": {}}}]
        self.expect_error(bad, lambda: self.chat(tools=tools), 400, param="tools")

    def test_leaving_a_stream_frees_the_place(self):
        for _ in range(5):
            stream = self.chat(stream=True, max_tokens=400)
            next(iter(stream))
            stream.close()
        self.assertGreater(self.chat(max_tokens=1).usage.completion_tokens, 0)


if __name__ == "__main__":
    if len(sys.argv) != 3 or not all(os.path.exists(path) for path in sys.argv[1:]):
        print(f"skipped: expected an attune binary and a model, found {sys.argv[1:]}")
        sys.exit(77)
    BINARY, MODEL = sys.argv[1:]
    unittest.main(argv=sys.argv[:1])
