"""Input that nobody would send in good faith. Short runs belong to the tests, long ones to the patient:

python -m tests.fuzz.datagrams 1000000
"""
