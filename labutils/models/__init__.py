"""Recurrent networks, attention and transformers, as the book builds them; importing a part loads torch.

labutils.models.recurrent, .attention, .positions, .transformer; .carry moves weights to and from the
classes of the library transformers, .pretrained loads an encoder that others trained.
"""
