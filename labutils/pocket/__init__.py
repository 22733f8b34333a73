"""Pocket models: a GPT and a BERT of about two million parameters, trained here on one core of a processor.

`python -m labutils.pocket train pocket-gpt` makes one again; `labutils.models.pretrained.load("pocket-gpt")`
gives it. The folders gpt and bert hold them as transformers keeps a model, each with a card that says how it
came about. text cuts the text and makes the tokenizer, recipe says what is trained, train does it, score
measures it, publish writes the folder.
"""
