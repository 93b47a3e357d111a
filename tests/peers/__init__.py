"""Peers for the tests: phones, viewers and cameras whose pictures and sounds can be measured."""
