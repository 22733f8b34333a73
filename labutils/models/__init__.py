"""N-grams, recurrent networks, attention and transformers, as the book builds them.

ngram and sizes need NumPy only; importing recurrent, attention, positions or transformer loads torch.
exchange.carry moves weights to and from the classes of the library transformers; pretrained loads trained
models by name.
"""
