"""Hidden checks of the lab on n-grams and information: a letter in cipher."""

from __future__ import annotations

import re
import string
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labutils.coursework.cases import Build, equal, mistake

# Three cells call break_cipher: where it never ends, there has to be time left for the other questions.
LIMITS = {"seconds": 400, "cell_seconds": 25, "question_seconds": 30, "memory_mb": 6000}

SIGNS = string.ascii_lowercase + "_"
SIZE = 1000
SHORT = 400  # signs of a letter that `break_cipher` is given
# The book of Ruth in the World English Bible (public domain), from its first verse on.
CLEAR = """
in_the_days_when_the_judges_judged_that_there_was_a_famine_in_the_land_a_certain_man_of_be
thlehem_judah_went_to_sojourn_in_the_country_of_moab_he_and_his_wife_and_his_two_sons_the_
name_of_the_man_was_elimelech_and_the_name_of_his_wife_naomi_and_the_name_of_his_two_sons_
mahlon_and_chilion_ephrathites_of_bethlehem_judah_they_came_into_the_country_of_moab_and_c
ontinued_there_elimelech_naomi_s_husband_died_and_she_was_left_and_her_two_sons_they_took_
them_wives_of_the_women_of_moab_the_name_of_the_one_was_orpah_and_the_name_of_the_other_ru
th_and_they_lived_there_about_ten_years_mahlon_and_chilion_died_both_of_them_and_the_woman
_was_left_of_her_two_children_and_of_her_husband_then_she_arose_with_her_daughters_in_law_
that_she_might_return_from_the_country_of_moab_for_she_had_heard_in_the_country_of_moab_ho
w_that_yahweh_had_visited_his_people_in_giving_them_bread_she_went_forth_out_of_the_place_
where_she_was_and_her_two_daughters_in_law_with_her_and_they_went_on_the_way_to_return_to_
the_land_of_judah_naomi_said_to_her_two_daughters_in_law_go_return_each_of_you_to_her_moth
er_s_house_yahweh_deal_kindly_with_you_as_you_have_dealt_with_the_dead_and_with_me_yahweh_
grant_you_that_you_may_find_rest_each_of_you_in_the_house_of_her_husband_then_she_kissed_t
hem_and_they_lifted_up_their_voice_and_wept_they_said_to_her_no_but_we_will_return_with_yo
u_to_your_people_naomi_said_turn_again_my_daughters_why_will_you_go_with_me_have_i_yet_son
s_in_my_womb_that_they_may_be_your_husbands_turn_again_my_daughters_go_your_way_for_i_am_t
oo_old_to_have_a_husband_if_i_should_say_i_have_hope_if_i_should_even_have_a_husband_tonig
ht_and_should_also_bear_sons_would_you_therefore_wait_until_they_were_grown_would_you_ther
efore_stay_from_having_husbands_nay_my_daughters_for_it_grieves_me_much_for_your_sakes_for
_the_hand_of_yahweh_is_gone_forth_against_me_they_lifted_up_their_voice_and_wept_again_and
_orpah_kissed_her_mother_in_law_but_ruth_joined_with_her_she_said_behold_your_sister_in_la
w_is_gone_back_to_her_people_and_to_her_god_return_you_after_your_sister_in_law_ruth_said_
don_t_entreat_me_to_leave_you_and_to_return_from_following_after_you_for_where_you_go_i_wi
ll_go_and_where_you_lodge_i_will_lodge_your_people_shall_be_my_people_and_your_god_my_god_
where_you_die_will_i_die_and_there_will_i_be_buried_yahweh_do_so_to_me_and_more_also_if_an
ything_but_death_part_you_and_me_when_she_saw_that_she_was_steadfastly_minded_to_go_with_h
er_she_left_off_speaking_to_her_so_they_two_went_until_they_came_to_bethlehem_it_happened_
when_they_were_come_to_bethlehem_that_all_the_city_was_moved_about_them_and_the_women_said
_is_this_naomi_she_said_to_them_don_t_call_me_naomi_call_me_mara_for_the_almighty_has_deal
t_very_bitterly_with_me_i_went_out_full_and_yahweh_has_brought_me_home_again_empty_why_do_
you_call_me_naomi_seeing_yahweh_has_testified_against_me_and_the_almighty_has_afflicted_me
_so_naomi_returned_and_ruth_the_moabitess_her_daughter_in_law_with_her_who_returned_out_of
_the_country_of_moab_and_they_came_to_bethlehem_in_the_beginning_of_barley_harvest_naomi_h
ad_a_kinsman_of_her_husband_s_a_mighty_man_of_wealth_of_the_family_of_elimelech_and_his_na
me_was_boaz_ruth_the_moabitess_said_to_naomi_let_me_now_go_to_the_field_and_glean_among_th
e_ears_of_grain_after_him_in_whose_sight_i_shall_find_favor_she_said_to_her_go_my_daughter
_she_went_and_came_and_gleaned_in_the_field_after_the_reapers_and_she_happened_to_come_to_
the_portion_of_the_field_belonging_to_boaz_who_was_of_the_family_of_elimelech_behold_boaz_
came_from_bethlehem_and_said_to_the_reapers_yahweh_be_with_you_they_answered_him_yahweh_bl
ess_you_then_said_boaz_to_his_servant_who_was_set_over_the_reapers_whose_young_lady_is_thi
s_the_servant_who_was_set_over_the_reapers_answered_it_is_the_moabite_lady_who_came_back_w
ith_naomi_out_of_the_country_of_moab_she_said_please_let_me_glean_and_gather_after_the_rea
pers_among_the_sheaves_so_she_came_and_has_continued_even_from_the_morning_until_now_excep
t_that_she_stayed_a_little_in_the_house_then_said_boaz_to_ruth_don_t_you_hear_my_daughter_
don_t_go_to_glean_in_another_field_neither_pass_from_hence_but_abide_here_fast_by_my_maide
ns_let_your_eyes_be_on_the_field_that_they_reap_and_go_after_them_haven_t_i_charged_the_yo
ung_men_that_they_shall_not_touch_you_and_when_you_are_thirsty_go_to_the_vessels_and_drink
_of_that_which_the_young_men_have_drawn_then_she_fell_on_her_face_and_bowed_herself_to_the
_ground_and_said_to_him_why_have_i_found_favor_in_your_sight_that_you_should_take_knowledg
e_of_me_seeing_i_am_a_foreigner_boaz_answered_her_it_has_fully_been_showed_me_all_that_you
_have_done_to_your_mother_in_law_since_the_death_of_your_husband_and_how_you_have_left_you
r_father_and_your_mother_and_the_land_of_your_birth_and_have_come_to_a_people_that_you_did
n_t_know_before_yahweh_recompense_your_work_and_a_full_reward_be_given_you_of_yahweh_the_g
od_of_israel_under_whose_wings_you_are_come_to_take_refuge_then_she_said_let_me_find_favor
_in_your_sight_my_lord_because_you_have_comforted_me_and_because_you_have_spoken_kindly_to
_your_handmaid_though_i_am_not_as_one_of_your_handmaidens_at_meal_time_boaz_said_to_her_co
me_here_and_eat_of_the_bread_and_dip_your_morsel_in_the_vinegar_she_sat_beside_the_reapers
_and_they_reached_her_parched_grain_and_she_ate_and_was_sufficed_and_left_of_it_when_she_w
as_risen_up_to_glean_boaz_commanded_his_young_men_saying_let_her_glean_even_among_the_shea
ves_and_don_t_reproach_her_also_pull_out_some_for_her_from_the_bundles_and_leave_it_and_le
t_her_glean_and_don_t_rebuke_her_so_she_gleaned_in_the_field_until_even_and_she_beat_out_t
hat_which_she_had_gleaned_and_it_was_about_an_ephah_of_barley_she_took_it_up_and_went_into
_the_city_and_her_mother_in_law_saw_what_she_had_gleaned_and_she_brought_forth_and_gave_to
_her_that_which_she_had_left_after_she_was_sufficed_her_mother_in_law_said_to_her_where_ha
ve_you_gleaned_today_and_where_have_you_worked_blessed_be_he_who_did_take_knowledge_of_you
_she_showed_her_mother_in_law_with_whom_she_had_worked_and_said_the_man_s_name_with_whom_i
_worked_today_is_boaz_naomi_said_to_her_daughter_in_law_blessed_be_he_of_yahweh_who_has_no
t_left_off_his_kindness_to_the_living_and_to_the_dead_naomi_said_to_her_the_man_is_a_close
_relative_to_us_one_of_our_near_kinsmen_ruth_the_moabitess_said_yes_he_said_to_me_you_shal
l_keep_fast_by_my_young_men_until_they_have_ended_all_my_harvest_naomi_said_to_ruth_her_da
ughter_in_law_it_is_good_my_daughter_that_you_go_out_with_his_maidens_and_that_they_not_me
""".replace("\n", "")

Ids = NDArray[np.int64]


def _ids(text: str) -> Ids:
    """A text as numbers, gaps for all that is no letter."""
    return np.array([SIGNS.index(sign) for sign in re.sub("[^a-z]+", "_", text.lower())])


PLAIN = _ids(CLEAR)
OUTER = np.random.default_rng(27).permutation(27)  # the key under which the master holds CLEAR


def own_letter(rng: np.random.Generator) -> tuple[Ids, Ids]:
    """A student's letter: its signs, and what they mean."""
    first = int(rng.integers(len(PLAIN) - SIZE))
    meaning = PLAIN[first : first + SIZE]
    return rng.permutation(27)[OUTER[meaning]], meaning


def _counted(ids: Ids) -> NDArray[np.float64]:
    """How often each sign follows each."""
    return np.bincount(27 * ids[:-1] + ids[1:], minlength=729).reshape(27, 27).astype(float)


def _logs(ids: Ids, k: float) -> NDArray[np.float64]:
    return _logs_of(_counted(ids), k)


def _logs_of(pairs: NDArray[np.float64], k: float) -> NDArray[np.float64]:
    smoothed = pairs + k
    return np.log2(smoothed) - np.log2(smoothed.sum(1))[:, None]


def _surprise(ids: Ids, logs: NDArray[np.float64]) -> float:
    return -float((_counted(ids) * logs).sum())


def reference_q1(personal: np.random.Generator) -> float:
    """The entropy of the signs, the same for the meaning as for the cipher."""
    _, meaning = own_letter(personal)
    shares = [np.mean(meaning == sign) for sign in set(meaning.tolist())]
    return float(-sum(share * np.log2(share) for share in shares))


def compare_q1(found: Any, expected: float) -> str | None:
    """None where right."""
    if equal(found, expected, 1e-3):
        return None
    if equal(found, expected * np.log(2), 1e-3):
        return "This is in nats: take the logarithm to the base 2."
    return "This is not the entropy of the frequencies of the signs in your letter."


def inputs_q2(rng: np.random.Generator) -> list[Any]:
    """Texts in which some signs never occur, or occur only at the end; several k."""
    few = rng.permutation(27)[:9]
    first = rng.choice(few, size=200)
    ends = np.append(rng.choice(few[:8], size=30), few[8])
    return [(first, 0.5), (ends, 0.1), (PLAIN[: int(rng.integers(400, 900))], 1.0)]


def reference_q2(ids: Ids, k: float) -> dict[str, NDArray[np.float64]]:
    """log2 P(b | a), and what comes of mistakes."""
    right, pairs = _logs(ids, k), _counted(ids)
    seen = pairs.sum(1, keepdims=True)
    all_signs = np.bincount(ids, minlength=27)[:, None]
    smoothed = np.log2(pairs + k)
    return {
        "right": right,
        "backwards": _logs(ids[::-1], k),
        "transposed": right.T,
        "natural": right * np.log(2),
        "probabilities": 2.0**right,
        "joint": smoothed - np.log2(pairs.sum() + 729 * k),
        "once": smoothed - np.log2(seen + k),
        "the last": smoothed - np.log2(all_signs + 27 * k),
        "another k": _logs(ids, 1.0),
        "no repeats": _logs_of(np.minimum(pairs, 1), k),
    }


TOLD_Q2 = {
    "backwards": "Rows and columns are exchanged: a row is the first sign of a pair, a column the second.",
    "transposed": "The table is right, but turned: a row is the first sign of a pair, a column the second.",
    "natural": "These are natural logarithms: bits need the base 2.",
    "probabilities": "These are the probabilities themselves: take their logarithm to the base 2.",
    "joint": "The whole table sums to 1. Each row should, once the logarithms are undone.",
    "once": "Rows do not sum to 1: k is added to each of 27 counts.",
    "the last": "The last sign of the text is followed by nothing, and is divided by as if it were.",
    "another k": "This adds 1 to each count, whatever k is.",
    "no repeats": "A pair that occurs several times is counted once: NumPy adds once to each place.",
}


def compare_q2(found: Any, expected: dict[str, NDArray[np.float64]]) -> str | None:
    """None where right."""
    return mistake(
        found, expected, TOLD_Q2, "These are not the smoothed logarithms for other texts and another k."
    )


def inputs_q3(rng: np.random.Generator) -> list[Any]:
    """Letters under random keys, judged by tables that are not symmetric."""
    cases = []
    for size in (2, 50, 300):
        begin = int(rng.integers(len(PLAIN) - size))
        cases.append((PLAIN[begin : begin + size], -rng.exponential(4, size=(27, 27)), rng.permutation(27)))
    return cases


def reference_q3(cipher: Ids, table: NDArray[np.float64], key: Ids) -> dict[str, float]:
    """The sum over neighbours, and what comes of mistakes."""

    def added(text: Ids, judge: NDArray[np.float64]) -> float:
        return float(judge[text[:-1], text[1:]].sum())

    right = added(key[cipher], table)
    return {
        "right": right,
        "opposite": -right,
        "mean": right / (len(cipher) - 1),
        "mean of signs": right / len(cipher),
        "turned key": added(np.argsort(key)[cipher], table),
        "turned table": added(key[cipher], table.T),
        "not decoded": added(cipher, table),
        "first": right - float(np.log2(27)),
        "circle": right + float(table[key[cipher[-1]], key[cipher[0]]]),
    }


TOLD_Q3 = {
    "opposite": "The sign is wrong: a sum of logarithms of probabilities is negative.",
    "mean": "This is a mean: the score is the sum over all pairs of neighbours.",
    "mean of signs": "This is a mean: the score is the sum, divided by nothing.",
    "turned key": "The key is the wrong way round: key[s] is the letter for which the sign s stands.",
    "turned table": "Rows of the table are the first sign of a pair, columns the second.",
    "not decoded": "These are the pairs of the cipher itself: decode it first.",
    "first": "The first sign costs nothing.",
    "circle": "The first sign has no neighbour before it, not even the last one.",
}


def compare_q3(found: Any, expected: dict[str, float]) -> str | None:
    """None where right."""
    return mistake(
        found,
        expected,
        TOLD_Q3,
        "For another key, text or table the score is another, of all pairs of neighbours.",
    )


def inputs_q4(rng: np.random.Generator) -> list[Any]:
    """Three letters of 400 signs, and a table of the book that they are from."""
    cases = []
    for _ in range(3):
        begin = int(rng.integers(len(PLAIN) - SHORT))
        hidden = rng.permutation(27)
        cases.append((hidden[PLAIN[begin : begin + SHORT]], _logs(PLAIN, 1.0), int(rng.integers(1000))))
    return cases


def reference_q4(cipher: Ids, table: NDArray[np.float64], seed: int) -> dict[str, Any]:
    """No key is expected: what comes must score as high as the truth, which has the same pattern of signs."""
    return {"cipher": cipher, "table": table, "bits": _surprise(_meant(cipher), table)}


def _meant(cipher: Ids) -> Ids:
    """The part of the clear text that has this pattern of equal signs; there is one."""
    _, first, which = np.unique(cipher, return_index=True, return_inverse=True)
    parts = np.lib.stride_tricks.sliding_window_view(PLAIN, len(cipher))
    for part in parts[(parts == parts[:, first[which]]).all(1)]:
        if len(set(part.tolist())) == len(first):
            return np.array(part)
    raise ValueError("a letter that is no part of the text")


def _key(found: Any) -> Ids | None:
    """A key as whole numbers; None if it is none."""
    try:
        numbers = np.array(found, dtype=float)
    except (TypeError, ValueError):
        return None
    good = numbers.shape == (27,) and sorted(numbers.tolist()) == list(range(27))
    return numbers.astype(np.int64) if good else None


def compare_q4(found: Any, expected: dict[str, Any]) -> str | None:
    """None where the key is as good as the true one in the eyes of the table."""
    cipher, table, bits = expected["cipher"], expected["table"], expected["bits"]
    key = _key(found)
    if key is None:
        return "What comes back is no key: each of the numbers 0 to 26, once."
    if _surprise(key[cipher], table) <= bits + 1e-6:
        return None
    if _surprise(np.argsort(key)[cipher], table) <= bits + 1e-6:
        return "The key is the wrong way round: key[s] is the letter for which the sign s stands."
    if _surprise(key[cipher], table) < 1.25 * bits:
        return "Near, but the true key scores higher: the search stops too early, or starts too seldom."
    return "The key is far from the true one: it scores little better than chance."


def reference_q5(personal: np.random.Generator) -> str:
    """The letter in clear."""
    _, meaning = own_letter(personal)
    return "".join(SIGNS[sign] for sign in meaning)


def compare_q5(found: Any, expected: str) -> str | None:
    """None where 98 in 100 signs are right."""
    if not isinstance(found, str):
        return "message is no text: to_text makes one of ids."
    text = re.sub("[^a-z]", "_", found.lower())
    if len(text) != len(expected):
        return "message has not as many signs as your letter."
    share = np.mean([a == b for a, b in zip(text, expected, strict=True)])
    if share >= 0.98:
        return None
    if share > 0.8:
        return "Most of it is right. A few letters are still exchanged: read it, and repair the key."
    return "This is not what your letter says."


def inputs_q6(rng: np.random.Generator) -> list[Build]:
    """Mixtures of two, three and five models, one with inputs that underflow; one that is just made."""
    import torch

    cases = []
    for size, low in ((2, 10.0), (3, 10.0), (5, 3000.0)):
        state = {"logits": rng.normal(size=size).astype(np.float32)}
        given = torch.tensor(-rng.uniform(low / 2, low, size=(7, size)), dtype=torch.float32)
        cases.append(Build({"n_models": size}, state, (given,)))
    new = torch.tensor(-rng.uniform(0, 9, size=(7, 4)), dtype=torch.float32)
    return [*cases, Build({"n_models": 4}, None, (new,))]


def reference_q6(case: Build) -> dict[str, NDArray[np.float64]]:
    """The mixture, added up in logarithms, and what comes of mistakes."""
    x = case.args[0].numpy().astype(float)
    raw = (np.zeros(x.shape[1]) if case.state is None else case.state["logits"].astype(float)) / np.log(2)
    weights = raw - np.logaddexp2.reduce(raw)
    right = np.logaddexp2.reduce(x + weights, axis=1)
    return {
        "right": right,
        "nats": right * np.log(2),
        "logarithms": x @ 2.0**weights,
        "no softmax": np.logaddexp2.reduce(x + raw, axis=1),
        "bits as nats": np.logaddexp.reduce(x + weights * np.log(2), axis=1),
        "bits as nats, back": np.logaddexp.reduce(x + weights * np.log(2), axis=1) / np.log(2),
        "a column": right[:, None],
    }


TOLD_Q6 = {
    "nats": "What goes out is in nats: it should be in bits, as what comes in.",
    "logarithms": "This is a mean of the logarithms: mix the probabilities, then take the logarithm.",
    "no softmax": "The weights do not sum to 1: they are the softmax of logits.",
    "bits as nats": "What comes in is in bits and is taken for nats.",
    "bits as nats, back": "What comes in is in bits and is taken for nats.",
    "a column": "The numbers are right, their shape is not: one number for each sign, (n,).",
}


def compare_q6(found: Any, expected: dict[str, NDArray[np.float64]]) -> str | None:
    """None where right."""
    told = mistake(found, expected, TOLD_Q6, "This is not the logarithm of the mixture.")
    if told and not np.isfinite(np.asarray(found, dtype=float)).all():
        return "It underflows: 2 to the power of −3000 is 0 for a computer. Add up in logarithms."
    return told
