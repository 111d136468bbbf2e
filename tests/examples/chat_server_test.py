#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
import sys
import unittest

sys.dont_write_bytecode = True
from program import running

PROGRAM = sys.argv.pop(1)


class Guest:
    def __init__(self, server, name, room=None):
        self.socket = server.connect(room)
        self.lines = self.socket.makefile("r", newline="\n")
        assert self.read() == "Your name?"
        self.say(name)

    def say(self, line):
        self.socket.sendall((line + "\n").encode())

    def read(self):
        return self.lines.readline().removesuffix("\n")

    def leave(self):
        self.lines.close()
        self.socket.close()


class ChatServer(unittest.TestCase):
    def setUp(self):
        context = running(PROGRAM, 0)
        self.server = context.__enter__()
        self.addCleanup(context.__exit__, None, None, None)

    def guest(self, name, room=None):
        guest = Guest(self.server, name, room)
        self.addCleanup(guest.leave)
        self.assertEqual(guest.read(), f"* {name} came")
        return guest

    def test_everybody_reads_everything_in_one_order(self):
        ann = self.guest("ann")
        bob = self.guest("bob")
        self.assertEqual(ann.read(), "* bob came")
        for i in range(50):
            ann.say(f"a{i}")
            bob.say(f"b{i}")
        heard = [ann.read() for _ in range(100)]
        self.assertEqual([bob.read() for _ in range(100)], heard)
        self.assertEqual([line for line in heard if line.startswith("ann")], [f"ann: a{i}" for i in range(50)])
        bob.leave()
        self.assertEqual(ann.read(), "* bob left")

    def test_many_guests(self):
        guests = []
        for i in range(100):
            guests.append(self.guest(f"guest{i}"))
            for guest in guests[:-1]:
                self.assertEqual(guest.read(), f"* guest{i} came")
        guests[0].say("hello all")
        for guest in guests:
            self.assertEqual(guest.read(), "guest0: hello all")

    def test_who_does_not_read_keeps_nobody_waiting_and_is_shown_out(self):
        talker = self.guest("talker")
        deaf = self.guest("deaf", room=4096)
        self.assertEqual(talker.read(), "* deaf came")
        line = "x" * 900
        gone = False
        for i in range(20_000):
            talker.say(line)
            heard = talker.read()
            if heard == "* deaf left":
                gone = True
                break
            self.assertEqual(heard, "talker: " + line)
        self.assertTrue(gone)
        deaf.leave()

    def test_without_a_name_nobody_comes_in(self):
        ann = self.guest("ann")
        nameless = Guest(self.server, "")
        self.assertEqual(nameless.read(), "")
        nameless.leave()
        ann.say("alone")
        self.assertEqual(ann.read(), "ann: alone")

    def test_stop(self):
        ann = self.guest("ann")
        self.server.terminate()
        self.assertEqual(ann.read(), "* the room closes")
        self.assertEqual(ann.read(), "")
        self.assertEqual(self.server.wait(), (0, ""))


if __name__ == "__main__":
    unittest.main()
