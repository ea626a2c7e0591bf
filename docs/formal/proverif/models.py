"""The symbolic models of tete/1, their mutants, and what ProVerif has to answer to each query. prove.py runs them."""

import re

from pieces import EVENTS, LIB, SAS, initiator, responder

MODELS = {}


def emit(name, what, text, expect, mutant_of=None):
    """Adds a model: `expect` is a list of queries and answers, `None` where the prover may not decide."""
    queries = [{"query": query, "holds": holds} for query, holds in expect]
    MODELS[name] = {"what": what, "mutant_of": mutant_of, "expect": queries, "text": text}


# ---------------------------------------------------------------- 1. pairing, mode 0
def compare(role, o):
    """the users read their halves to each other over an authentic, public channel"""
    if role == "I":
        s = "  insert said(whoI, cI(S)); out(net, cI(S));\n"
        if not o.get("skip_compare_I"):
            s += "  get said(=whoR, =cR(S)) in\n"
    else:
        s = "  insert said(whoR, cR(S)); out(net, cR(S));\n"
        if not o.get("skip_compare_R"):
            s += "  get said(=whoI, =cI(S)) in\n"
    return s


def bodyI(mode, o, cmp_):
    return (
        cmp_ + "  out(net, aead(ki0, n0, nil, t_ver));\n"
        "  in(net, fv: bitstring); if adec(kr1, n1, nil, fv) = t_ver then\n"
        f"  event accI({mode}, room, h); event endI;\n"
        + o.get("extraI", "")
        + "  out(net, aead(ki1, n1, nil, (t_text, textI)))"
    )


def bodyR(mode, o, cmp_):
    return (
        cmp_ + "  out(net, aead(kr1, n1, nil, t_ver));\n"
        "  in(net, fv: bitstring); if adec(ki0, n0, nil, fv) = t_ver then\n"
        f"  event accR({mode}, room, h); event endR;\n"
        + o.get("extraR", "")
        + "  out(net, aead(kr2, n2, nil, (t_text, textR)))"
    )


PAIR_Q = """table said(bitstring, bitstring). const whoI, whoR: bitstring.
query m: bitstring, r: bitstring, h: bitstring;
  attacker(textI);
  attacker(textR);
  event(accI(m, r, h)) ==> event(runR(m, r, h));
  event(accR(m, r, h)) ==> event(runI(m, r, h)).
"""
PAIR_L = [
    "texts of I secret",
    "texts of R secret",
    "I open => R ran the same transcript",
    "R open => I ran the same transcript",
]
END_Q = """table said(bitstring, bitstring). const whoI, whoR: bitstring.
query event(endI); event(endR).
"""
END_L = ["I can open (sanity)", "R can open (sanity)"]


def labels(l, rs):
    return list(zip(l, rs))


def pair(o, repl=""):
    t = (
        LIB
        + SAS
        + EVENTS
        + (
            PAIR_Q
            if not o.get("queries")
            else "table said(bitstring, bitstring). const whoI, whoR: bitstring.\n" + o["queries"]
        )
    )
    t += initiator("Init", "m0", o, bodyI("m0", o, compare("I", o)))
    t += responder("Resp", "m0", o, bodyR("m0", o, compare("R", o)))
    pre = o.get("oracles", "")
    t += (
        "process\n  new sI: bitstring; new sR: bitstring; out(net, exp(g, sI)); out(net, exp(g, sR));\n"
        f"  ( {repl}Init(sI, nil, nil, nil) | {repl}Resp(sR, nil, nil, nil){pre} )\n"
    )
    return t


M = "1a_pair"
emit(
    "1a_pair",
    "mode 0, handshake and opening, any number of sessions, codes as a perfect hash; a DH key may come from anyone",
    pair({}, "!"),
    labels(PAIR_L, [True] * 4),
)
emit(
    "1a_m_skipI",
    "mutant: I's user does not compare",
    pair({"bare": 1, "skip_compare_I": 1}, "!"),
    labels(PAIR_L, [False, True, False, True]),
    M,
)
emit(
    "1a_m_skipR",
    "mutant: R's user does not compare",
    pair({"skip_compare_R": 1}, "!"),
    labels(PAIR_L, [True, False, True, False]),
    M,
)
emit(
    "1a_m_skipboth",
    "mutant: nobody compares",
    pair({"bare": 1, "skip_compare_I": 1, "skip_compare_R": 1}, "!"),
    labels(PAIR_L, [False] * 4),
    M,
)

# ---- 1b: the code is short: who chooses the last free input of it hits any target (grinding)
GRIND = """
fun Hf(bitstring, bitstring): bitstring.                     (* h = Hf(everything before, payload of message 3) *)
fun sas(bitstring, bitstring): bitstring.                    (* S *)
fun g3(bitstring, bitstring, bitstring): bitstring.          (* grind message 3, knowing what is before, n_R and the wanted S *)
fun gn(bitstring, bitstring): bitstring.                     (* grind n_R, knowing h and the wanted S *)
equation forall p: bitstring, n: bitstring, t: bitstring; sas(Hf(p, g3(p, n, t)), n) = t.
equation forall h: bitstring, t: bitstring; sas(h, gn(h, t)) = t.
fun mk(bitstring, bitstring): bitstring.                     (* an S whose two halves are as wanted *)
fun cI(bitstring): bitstring. fun cR(bitstring): bitstring.
equation forall a: bitstring, b: bitstring; cI(mk(a, b)) = a.
equation forall a: bitstring, b: bitstring; cR(mk(a, b)) = b.
"""


def grind(o, repl="", roles="IR"):
    """the key exchange is one ephemeral and one static DH under h: enough, as 1a has the whole handshake"""
    t = LIB + GRIND + EVENTS + PAIR_Q
    cm = "com(nil, nR)" if o.get("commit_without_s") else "com(gsR, nR)"
    early = o.get("nr_early")
    t += (
        "let Init(sI: bitstring) =\n  new eI: bitstring; new nI: bitstring; let gsI = exp(g, sI) in let geI = exp(g, eI) in\n"
        "  out(net, geI); in(net, (geR: bitstring, gsR: bitstring, cm: bitstring))[precise];\n"
        "  let h = Hf((geI, geR, gsR, cm, gsI), nI) in\n  let prk = ext(h, (exp(geR, eI), exp(gsR, eI), exp(geR, sI))) in\n"
        "  let ki0 = kd(prk, l_i2r) in let kr0 = kd(prk, l_r2i) in\n"
        "  event runI(m0, nil, h); out(net, (gsI, nI));\n  in(net, nR: bitstring)[precise];\n"
        + ("" if o.get("no_commit_check") else f"  if {cm} = cm then\n")
        + "  let S = sas(nR, h) in\n".replace("sas(nR, h)", "sas(h, nR)")
        + compare("I", o)
        + "  event accI(m0, nil, h); event endI; out(net, aead(ki0, n0, nil, textI)).\n"
    )
    t += (
        "let Resp(sR: bitstring) =\n  new eR: bitstring; new nR: bitstring; let gsR = exp(g, sR) in let geR = exp(g, eR) in\n"
        f"  in(net, geI: bitstring)[precise]; let cm = {cm} in out(net, (geR, gsR, cm"
        + (", nR" if early else "")
        + "));\n"
        "  in(net, (gsI: bitstring, nI: bitstring))[precise]; let h = Hf((geI, geR, gsR, cm, gsI), nI) in\n"
        "  let prk = ext(h, (exp(geI, eR), exp(geI, sR), exp(gsI, eR))) in\n"
        "  let ki0 = kd(prk, l_i2r) in let kr0 = kd(prk, l_r2i) in\n"
        "  event runR(m0, nil, h); out(net, nR);\n  let S = sas(h, nR) in\n"
        + compare("R", o)
        + "  event accR(m0, nil, h); event endR; out(net, aead(kr0, n0, nil, textR)).\n"
    )
    if roles == "II":  # two diallers: each user's partner is the other, who shows code_I too
        t = t.replace("get said(=whoR, =cR(S)) in", "get said(=other, =cR(S)) in").replace(
            "insert said(whoI,", "insert said(me,"
        )
        t = t.replace("let Init(sI: bitstring)", "let Init(sI: bitstring, me: bitstring, other: bitstring)")
        t += f"process new sI: bitstring; new sR: bitstring; ( {repl}Init(sI, whoI, whoR) | {repl}Init(sR, whoR, whoI) )\n"
    elif roles == "RR":
        t = t.replace("get said(=whoI, =cI(S)) in", "get said(=other, =cI(S)) in").replace(
            "insert said(whoR,", "insert said(me,"
        )
        t = t.replace("let Resp(sR: bitstring)", "let Resp(sR: bitstring, me: bitstring, other: bitstring)")
        t += f"process new sI: bitstring; new sR: bitstring; ( {repl}Resp(sI, whoI, whoR) | {repl}Resp(sR, whoR, whoI) )\n"
    else:
        t += f"process new sI: bitstring; new sR: bitstring; ( {repl}Init(sI) | {repl}Resp(sR) )\n"
    return t


M = "1b_grind"
emit(
    "1b_grind",
    "mode 0, codes are short: the attacker grinds any target S with the last input he is free to choose",
    grind({}),
    labels(PAIR_L, [True] * 4),
)
emit(
    "1b_m_nocommit",
    "mutant: I does not check the commitment",
    grind({"no_commit_check": 1}),
    labels(PAIR_L, [False, None, False, None]),
    M,
)
emit(
    "1b_m_early",
    "mutant: R reveals n_R in message 2",
    grind({"nr_early": 1}),
    labels(PAIR_L, [None, False, None, False]),
    M,
)
emit(
    "1b_v_commit_no_s",
    "variant: the commitment does not cover s_R (expected harmless)",
    grind({"commit_without_s": 1}),
    labels(PAIR_L, [True] * 4),
)


for r in ("II", "RR"):
    who = "two diallers" if r == "II" else "two listeners"
    q = [("nobody accepts", True)]

    def only(t):  # one query: acceptance is unreachable

        t = re.sub(r"(?s)query m: .*?\.\n", "", t)
        return t.replace("table said", f"query event({'endI' if r=='II' else 'endR'}).\ntable said", 1)

    emit(
        f"1c_{r}",
        f"mode 0, the man in the middle stands between {who}: their halves never fit",
        only(grind({}, roles=r)),
        q,
    )
    if r == "II":
        emit(
            f"1c_m_{r}_nocommit",
            "mutant: the same without the check of the commitment",
            only(grind({"no_commit_check": 1}, roles=r)),
            [("nobody accepts", False)],
            f"1c_{r}",
        )
    else:
        emit(
            f"1c_m_{r}_early",
            "mutant: the same with n_R in message 2",
            only(grind({"nr_early": 1}, roles=r)),
            [("nobody accepts", False)],
            f"1c_{r}",
        )


# ---------------------------------------------------------------- 2. invites, mode 1
def room(mode, o, repl="!", proc=None):
    """rooms without number; psk, statics new in each; o['leak'] goes to the attacker"""
    o = dict({"bare": 1}, **o)
    t = LIB + SAS + EVENTS + o.get("decl", "")
    t += (
        PAIR_Q
        if not o.get("queries")
        else ("table said(bitstring, bitstring). const whoI, whoR: bitstring.\n" + o["queries"])
    )
    cI_ = o.get("cmpI", "")
    cR_ = o.get("cmpR", "")
    t += initiator("Init", mode, o, bodyI(mode, o, cI_))
    t += responder("Resp", mode, o, bodyR(mode, o, cR_))
    t += (
        "process\n"
        + o.get("pre", "")
        + "  !(new room: bitstring; new psk: bitstring; new sI: bitstring; new sR: bitstring;\n"
        "   let gI = exp(g, sI) in let gR = exp(g, sR) in out(net, (room, gI, gR));\n"
        + o.get("leak", "")
        + f"   ( {repl}Init(sI, psk, gR, room) | {repl}Resp(sR, psk, gI, room){o.get('par','')} )){o.get('oracles','')}\n"
    )
    return t


SECQ = "query attacker(textI); attacker(textR).\n"
SECL = PAIR_L[:2]
M = "2a_invite"
emit(
    "2a_invite",
    "mode 1: secret invite, no code; rooms and sessions without number",
    room("m1", {}),
    labels(PAIR_L, [True] * 4),
)
emit(
    "2a_m_thief",
    "the invite is known to the attacker, no code: what he can do (everything)",
    room("m1", {"leak": "   out(net, psk);\n"}),
    labels(PAIR_L, [False] * 4),
    M,
)
CMPQ = """event cmpI(bitstring). event cmpR(bitstring). event cmpendI. event cmpendR.
free lateI, lateR: bitstring [private].
query r: bitstring, h: bitstring;
  attacker(lateI);
  attacker(lateR);
  event(cmpI(h)) ==> event(runR(m1, r, h));
  event(cmpR(h)) ==> event(runI(m1, r, h)).
"""
CMPL = [
    "texts of I after the comparison secret",
    "texts of R after the comparison secret",
    "I compared => R ran the same transcript",
    "R compared => I ran the same transcript",
]
XI = "  (event nothing; 0) | (insert said(whoI, cI(S)); out(net, cI(S)); get said(=whoR, =cR(S)) in event cmpI(h); event cmpendI; out(net, aead(rk(ki1), n2, nil, (t_text, lateI)))) |\n"
XR = "  (insert said(whoR, cR(S)); out(net, cR(S)); get said(=whoI, =cI(S)) in event cmpR(h); event cmpendR; out(net, aead(rk(kr2), n3, nil, (t_text, lateR)))) |\n"
XI = XI.replace("(event nothing; 0) | ", "")


def thief(o):
    return room("m1", dict(o, leak="   out(net, psk);\n", queries=CMPQ, extraI=XI, extraR=XR))


emit(
    "2b_thief_code",
    "the invite is stolen and used at once, the code is compared later in the open room",
    thief({}),
    labels(CMPL, [True] * 4),
)
emit(
    "2b_m_thief_nocmp",
    "mutant: I's late comparison is left out",
    room(
        "m1",
        dict(leak="   out(net, psk);\n", queries=CMPQ, extraI=XI.replace("get said(=whoR, =cR(S)) in ", ""), extraR=XR),
    ),
    labels(CMPL, [False, True, False, True]),
    "2b_thief_code",
)
emit(
    "2c_later",
    "the invite and both static keys are stolen after the session (phase 1)",
    room("m1", {"queries": SECQ, "par": " | (phase 1; out(net, (psk, sI, sR)))"}),
    labels(SECL, [True] * 2),
)
emit(
    "2c_v_eph",
    "variant: e_I is stolen as well; ML-KEM alone still keeps the texts",
    room("m1", {"queries": SECQ, "par": " | (phase 1; out(net, (psk, sI, sR)))", "leak_e": "eI"}),
    labels(SECL, [True] * 2),
)
emit(
    "2c_m_eph",
    "mutant: e_I and the ML-KEM key are not wiped and stolen with them",
    room("m1", {"queries": SECQ, "par": " | (phase 1; out(net, (psk, sI, sR)))", "leak_e": "(eI, dk)"}),
    labels(SECL, [None, False]),
    "2c_later",
)

# ---------------------------------------------------------------- 3. resume, mode 2
INJ_Q = PAIR_Q.replace("==> event(run", "==> inj-event(run").replace("event(acc", "inj-event(acc")
RL = [l.replace("=>", "=> (once)") if "=>" in l else l for l in PAIR_L]
P2 = {"pin": 1}
M = "3a_resume"
emit(
    "3a_resume",
    "mode 2: nothing stolen; injective",
    room("m2", dict(P2, queries=INJ_Q.split("bitstring.\n", 1)[1])),
    labels(RL, [True] * 4),
)
emit(
    "3b_psk",
    "resume_psk stolen, static keys not",
    room("m2", dict(P2, leak="   out(net, psk);\n")),
    labels(PAIR_L, [True] * 4),
)
emit(
    "3b_m_nopinR",
    "mutant: resume_psk stolen, R does not check the static key",
    room("m2", dict(P2, leak="   out(net, psk);\n", no_pin_R=1)),
    labels(PAIR_L, [True, False, True, False]),
    "3b_psk",
)
emit(
    "3b_m_nopinI",
    "mutant: resume_psk stolen, I does not check the static key",
    room("m2", dict(P2, leak="   out(net, psk);\n", no_pin_I=1)),
    labels(PAIR_L, [False, True, False, True]),
    "3b_psk",
)
emit(
    "3c_static",
    "both static keys stolen, resume_psk not",
    room("m2", dict(P2, leak="   out(net, (sI, sR));\n")),
    labels(PAIR_L, [True] * 4),
)
emit(
    "3d_memI",
    "memory of I (resume_psk and s_I) stolen: he is I towards R, but nobody towards I",
    room("m2", dict(P2, leak="   out(net, (psk, sI));\n")),
    labels(PAIR_L, [True, False, True, False]),
)
emit(
    "3d_memR",
    "memory of R (resume_psk and s_R) stolen: he is R towards I, but nobody towards R",
    room("m2", dict(P2, leak="   out(net, (psk, sR));\n")),
    labels(PAIR_L, [False, True, False, True]),
)
emit(
    "3h_code",
    "memory of both stolen, active in a resume; the code of the resumed connection is compared",
    room("m2", dict(P2, leak="   out(net, (psk, sI, sR));\n", queries=CMPQ.replace("m1", "m2"), extraI=XI, extraR=XR)),
    labels(CMPL, [True] * 4),
)
emit(
    "3h_m_nocode",
    "mutant: I does not compare",
    room(
        "m2",
        dict(
            P2,
            rooms="",
            leak="   out(net, (psk, sI, sR));\n",
            queries="event cmpI(bitstring). event cmpR(bitstring). event cmpendI. event cmpendR. free lateI, lateR: bitstring [private].\nquery attacker(lateI).\n",
            extraI=XI.replace("get said(=whoR, =cR(S)) in ", ""),
            extraR=XR,
        ),
    ),
    [("texts of I secret", False)],
    "3h_code",
)


def cross(o, same_psk, modes=("m1", "m2"), two_rooms=False, same_room_psk=False):
    """one pair of static keys, both modes (or two rooms) at once"""
    o = dict({"bare": 1}, **dict(o, pin=1))
    t = LIB + SAS + EVENTS + PAIR_Q
    procs = []
    for m in modes:
        t += initiator("Init_" + m, m, o, bodyI(m, o, "")) + responder("Resp_" + m, m, o, bodyR(m, o, ""))
        procs.append(m)
    t += "process\n  new sI: bitstring; new sR: bitstring; let gI = exp(g, sI) in let gR = exp(g, sR) in out(net, (gI, gR));\n"
    t += "  new roomA: bitstring; new roomB: bitstring; out(net, (roomA, roomB)); new pA1: bitstring; new pA2: bitstring; new pB: bitstring;\n"
    par = []
    for m in procs:
        p = "pA1" if (same_psk or m == "m1") else "pA2"
        par += [f"!Init_{m}(sI, {p}, gR, roomA)", f"!Resp_{m}(sR, {p}, gI, roomA)"]
        if two_rooms:
            q = p if same_room_psk else "pB"
            par += [f"!Init_{m}(sI, {q}, gR, roomB)", f"!Resp_{m}(sR, {q}, gI, roomB)"]
    return t + "  ( " + "\n  | ".join(par) + " )\n"


emit(
    "3e_modes",
    "modes 1 and 2 at once with one pair of static keys, psks as in the protocol",
    cross({}, False),
    labels(PAIR_L, [True] * 4),
)
emit(
    "3e_v_samepsk",
    "variant: the same psk in both modes; the mode in the prologue alone keeps them apart",
    cross({}, True),
    labels(PAIR_L, [True] * 4),
)
emit(
    "3e_v_nomode",
    "variant: no mode in the prologue; the psks alone keep them apart",
    cross({"no_mode_in_prologue": 1}, False),
    labels(PAIR_L, [True] * 4),
)
emit(
    "3e_m_mix",
    "mutant: no mode in the prologue and the same psk",
    cross({"no_mode_in_prologue": 1}, True),
    labels(PAIR_L, [True, True, False, False]),
    "3e_modes",
)
emit(
    "3f_rooms",
    "two rooms of one run with the same static keys, mode 2",
    cross({}, False, ("m2",), True),
    labels(PAIR_L, [True] * 4),
)
emit(
    "3f_m_rooms",
    "mutant: the rooms share the psk",
    cross({}, False, ("m2",), True, True),
    labels(PAIR_L, [True, True, None, False]),
    "3f_rooms",
)


def reflect(mode, o):
    """both partners are willing to be I and R with the same keys; events name the other one's key instead of the room"""
    o = dict({"bare": 1}, **o)
    t = LIB + SAS + EVENTS + "table said(bitstring, bitstring).\n"
    t += """free A, B: bitstring.
query m: bitstring, h: bitstring; event(accI(m, A, h)) ==> event(runR(m, B, h)); event(accR(m, A, h)) ==> event(runI(m, B, h)).
"""
    t += initiator("Init", mode, o, bodyI(mode, o, "")) + responder("Resp", mode, o, bodyR(mode, o, ""))
    t += (
        "process new psk: bitstring; new sA: bitstring; new sB: bitstring; let gA = exp(g, sA) in let gB = exp(g, sB) in out(net, (gA, gB));\n"
        "  ( !Init(sA, psk, gB, A) | !Resp(sA, psk, gB, A) | !Init(sB, psk, gA, B) | !Resp(sB, psk, gA, B) )\n"
    )
    return t


RFL = ["A (as I) accepts => B ran it as R", "A (as R) accepts => B ran it as I"]
emit(
    "3g_reflect",
    "mode 2, everyone plays both roles: reflection and role confusion",
    reflect("m2", {"pin": 1}),
    labels(RFL, [True, True]),
)
emit(
    "3g_v_own",
    "variant: mode 1 (no pinned key) with the MUST of section 4, own keys refused",
    reflect("m1", {"own_key_check": 1}),
    labels(RFL, [True, True]),
)
emit(
    "3g_m_noown",
    "mutant: mode 1 without that check: one talks to oneself",
    reflect("m1", {}),
    labels(RFL, [None, False]),
    "3g_v_own",
)

# ---------------------------------------------------------------- 5. post-quantum
PH = " | (phase 1; DlogOracle)"
M = "5a_pq_later"
emit(
    "5a_pq_later",
    "mode 0: active attacker, every X25519 key broken later (phase 1)",
    pair({"bare": 1, "oracles": PH}, "!"),
    labels(PAIR_L, [True] * 4),
)
emit(
    "5a_m_nokem",
    "mutant: ss not in PRK",
    pair({"bare": 1, "oracles": PH, "no_kem_in_prk": 1}, "!"),
    labels(PAIR_L, [False, False, True, True]),
    M,
)
emit(
    "5b_kem",
    "mode 0: ML-KEM broken from the beginning, X25519 whole",
    pair({"bare": 1, "oracles": " | KinvOracle"}, "!"),
    labels(PAIR_L, [True] * 4),
)
emit(
    "5b_m_nodh",
    "mutant: DH results not in PRK",
    pair({"bare": 1, "oracles": " | KinvOracle", "no_dh_in_prk": 1}, "!"),
    labels(PAIR_L, [False, False, True, True]),
    "5b_kem",
)
emit(
    "5c_pq_now",
    "mode 0 with the code compared: X25519 broken during the run",
    pair({"bare": 1, "oracles": " | DlogOracle"}, "!"),
    labels(PAIR_L, [True] * 4),
)
emit(
    "5c_m_both",
    "mutant: both broken during the run",
    pair({"bare": 1, "queries": SECQ, "oracles": " | DlogOracle | KinvOracle"}, ""),
    labels(SECL, [False] * 2),
    "5c_pq_now",
)
emit(
    "5d_pq_invite",
    "mode 1: X25519 broken during the run, invite secret",
    room("m1", {"oracles": " | DlogOracle"}),
    labels(PAIR_L, [True] * 4),
)
emit(
    "5d_m_nokem",
    "mutant: invite known and X25519 broken, both later; ss not in PRK",
    room("m1", {"queries": SECQ, "par": " | (phase 1; out(net, psk))", "oracles": PH, "no_kem_in_prk": 1}),
    labels(SECL, [False] * 2),
    "5e_pq_invite_later",
)
emit(
    "5e_pq_invite_later",
    "mode 1: invite known and X25519 broken, both later",
    room("m1", {"queries": SECQ, "par": " | (phase 1; out(net, psk))", "oracles": PH}),
    labels(SECL, [True] * 2),
)
emit(
    "5f_pq_resume",
    "mode 2: X25519 broken during the run, resume_psk secret",
    room("m2", dict(P2, oracles=" | DlogOracle")),
    labels(PAIR_L, [True] * 4),
)
emit(
    "5f_m_psk",
    "what falls: X25519 broken during the run and resume_psk stolen",
    room("m2", dict(P2, oracles=" | DlogOracle", leak="   out(net, psk);\n")),
    labels(PAIR_L, [False] * 4),
    "5f_pq_resume",
)


# ---------------------------------------------------------------- sanity: an honest run gets to its end
def endq(t):

    return re.sub(r"(?s)query m: .*?\.\n", "query event(endI); event(endR).\n", t, count=1)


emit("0_s_pair", "sanity: mode 0 can be completed", endq(pair({})), labels(END_L, [False, False]))
emit("0_s_grind", "sanity: the short-code model can be completed", endq(grind({})), labels(END_L, [False, False]))
emit(
    "0_s_mode1",
    "sanity: mode 1 can be completed",
    endq(room("m1", {"rooms": "", "bare": 0}, "")),
    labels(END_L, [False, False]),
)
emit(
    "0_s_mode2",
    "sanity: mode 2 can be completed",
    endq(room("m2", {"rooms": "", "bare": 0, "pin": 1}, "")),
    labels(END_L, [False, False]),
)


def endq2(t):

    return re.sub(r"(?s)query r: .*?\.\n", "query event(cmpendI); event(cmpendR).\n", t, count=1)


late = lambda: room("m1", dict(rooms="", queries=CMPQ, extraI=XI, extraR=XR), "")
emit(
    "0_s_late",
    "sanity: the late comparison can be completed",
    "set preciseActions = true.\n" + endq2(late()),
    labels(END_L, [False, False]),
)

# ---------------------------------------------------------------- 4. epochs
EQ = """query h: bitstring;
  attacker(textI);
  attacker(textR);
  event(accI(m0, nil, h)) ==> event(runR(m0, nil, h));
  event(accR(m0, nil, h)) ==> event(runI(m0, nil, h)).
"""
EL = [
    "texts of I in epoch n+1 secret",
    "texts of R in epoch n+1 secret",
    "I on n+1 => R on the same n+1",
    "R on n+1 => I on the same n+1",
]


def epoch(o, q=EQ):
    passive = o.get("passive")
    t = (
        LIB
        + EVENTS
        + "free oldI, oldR, firstI: bitstring [private]. free cIR, cRI: channel [private].\n"
        + SAS
        + o.get("decl", "")
        + q
    )

    def snd(ch, x):
        return f"  let x_{ch} = {x} in out(net, x_{ch});" + (f" out({ch}, x_{ch});" if passive else "") + "\n"

    def rcv(ch):
        return f"  in({ch if passive else 'net'}, y_{ch}: bitstring);\n"

    psk = "nil" if o.get("no_chain") else "chain"
    st = "" if o.get("no_static") else ", des, dss"
    st2 = "" if o.get("no_static") else ", des, dss, dse"

    def outer(k, n, x):
        return x if o.get("no_outer") else f"aead({k}, {n}, nil, {x})"

    def inner(k, n, pat, y):
        return f"  let {pat} = " + (y if o.get("no_outer") else f"adec({k}, {n}, nil, {y})") + " in\n"

    parts = []
    dx = "n2" if o.get("no_dh") else "dee"
    if o.get("no_dh"):
        st2 = st
    if not o.get("no_dh"):
        parts.append(f"hk1({psk}, (dee{st2}))")
    else:
        parts.append("chain")
    if not o.get("no_kem"):
        parts.append("ss")
    if o.get("no_fresh"):
        parts = ["chain"]
    ikm = "(" + ", ".join(parts) + ")" if len(parts) > 1 else parts[0]
    bare = o.get("kkbare")
    hp = f"  let hq = H((REKEYPRO, hn, gsI, gsR, {psk}, geI, {'ek' if bare else 'c1'}, geR, {'ct' if bare else 'c2'})) in let prkq = ext(hq, {ikm}) in\n"
    hp += "  let ki = kd(prkq, l_i2r) in let kr = kd(prkq, l_r2i) in let chainq = kd(prkq, l_chain) in\n"
    old = "  let chain = kd(prkn, l_chain) in let ki_o = kd(prkn, l_i2r) in let kr_o = kd(prkn, l_r2i) in\n"
    t += (
        "let EI(sI: bitstring, gsR: bitstring, prkn: bitstring, hn: bitstring) =\n  let gsI = exp(g, sI) in\n"
        + old
        + "  out(net, aead(ki_o, n0, nil, (t_text, oldI)));\n  new eI: bitstring; new dk: bitstring; let geI = exp(g, eI) in let ek = kpk(dk) in\n"
        "  let des = exp(gsR, eI) in let dss = exp(gsR, sI) in\n"
        f"  let k1 = hk2({psk}, (n1{st})) in let c1 = "
        + ("ek" if bare else "aead(k1, n0, nil, ek)")
        + " in\n"
        + snd("cIR", outer("rk(ki_o)", "n1", "(t_rk1, geI, c1)"))
        + rcv("cRI")
        + inner("rk(kr_o)", "n1", "(=t_rk2, geR: bitstring, c2: bitstring)", "y_cRI")
        + "  let dee = exp(geR, eI) in let dse = exp(geR, sI) in\n"
        f"  let k2 = hk2({psk}, (n2, {dx}{st2})) in let ct = "
        + ("c2" if bare else "adec(k2, n0, nil, c2)")
        + " in let ss = decap(dk, ct) in\n"
        + hp
        + "  event runI(m0, nil, hq);\n"
        "  in(net, z: bitstring); if adec(kr, n2, nil, z) = (t_text, nil) then\n"  # a frame of R under the new key
        "  event accI(m0, nil, hq); event endI;\n"
        "  out(net, aead(ki, n2, nil, (t_text, firstI))); out(net, aead(rk(ki), n3, nil, (t_text, textI)))"
        + o.get("afterI", "")
        + ".\n"
    )
    t += (
        "let ER(sR: bitstring, gsI: bitstring, prkn: bitstring, hn: bitstring) =\n  let gsR = exp(g, sR) in\n"
        + old
        + "  out(net, aead(kr_o, n0, nil, (t_text, oldR)));\n"
        + rcv("cIR")
        + inner("rk(ki_o)", "n1", "(=t_rk1, geI: bitstring, c1: bitstring)", "y_cIR")
        + "  new eR: bitstring; new r: bitstring; let geR = exp(g, eR) in\n"
        "  let des = exp(geI, sR) in let dss = exp(gsI, sR) in\n"
        f"  let k1 = hk2({psk}, (n1{st})) in let ek = " + ("c1" if bare else "adec(k1, n0, nil, c1)") + " in\n"
        "  let dee = exp(geI, eR) in let dse = exp(gsI, eR) in let ct = kct(ek, r) in let ss = kss(ek, r) in\n"
        f"  let k2 = hk2({psk}, (n2, {dx}{st2})) in let c2 = "
        + ("ct" if bare else "aead(k2, n0, nil, ct)")
        + " in\n"
        + hp
        + "  event runR(m0, nil, hq);\n"
        + snd("cRI", outer("rk(kr_o)", "n1", "(t_rk2, geR, c2)"))
        + "  out(net, aead(kr, n2, nil, (t_text, nil)));\n"
        "  in(net, z: bitstring); let (=t_text, w: bitstring) = adec(ki, n2, nil, z) in\n"  # a frame of I under the new key
        "  event accR(m0, nil, hq); event endR;\n"
        "  out(net, aead(rk(kr), n3, nil, (t_text, textR)))" + o.get("afterR", "") + ".\n"
    )
    t += (
        "process\n  new sI: bitstring; new sR: bitstring; new prkn: bitstring; new hn: bitstring; let gI = exp(g, sI) in let gR = exp(g, sR) in\n"
        "  out(net, (gI, gR, hn));\n"
        + o.get("new", "")
        + (f"  out(net, {o['leak']});\n" if o.get("leak") else "")
        + f"  ( EI(sI, gR, prkn, hn) | ER(sR, gI, prkn, hn){o.get('par','')}{o.get('oracles','')} )\n"
    )
    return t


PAS = {"passive": 1}
ALL = {"leak": "(prkn, sI, sR)"}
SEC = "query attacker(textI); attacker(textR).\n"
SL = EL[:2]
emit(
    "0_s_epoch",
    "sanity: an epoch change can be completed",
    epoch({}, "query event(endI); event(endR).\n"),
    labels(END_L, [False, False]),
)
emit(
    "4a_pcs",
    "PRK of epoch n and both static keys stolen; he only listens to one change, then is active",
    epoch(dict(PAS, **ALL)),
    labels(EL, [True] * 4),
)
emit(
    "4a_m_nofresh",
    "mutant: the new PRK follows from chain_n alone",
    epoch(dict(PAS, **ALL, no_fresh=1), SEC),
    labels(SL, [False, False]),
    "4a_pcs",
)
emit(
    "4b_active_all",
    "the same, but he is active in the change: nothing holds",
    epoch(dict(ALL, kkbare=1)),
    labels(EL, [False] * 4),
    "4a_pcs",
)
emit(
    "4c_active_prk",
    "PRK of epoch n stolen, static keys not; active in the change",
    epoch({"leak": "prkn"}),
    labels(EL, [True] * 4),
)
emit(
    "4c_m_nn",
    "mutant: the change without the static keys (NNpsk0)",
    epoch({"leak": "prkn", "no_static": 1}, SEC),
    labels(SL, [False, False]),
    "4c_active_prk",
)
emit(
    "4d_active_I",
    "memory of I stolen (PRK, s_I); active in the change: I is safe, R is not",
    epoch({"kkbare": 1, "leak": "(prkn, sI)"}),
    labels(EL, [True, False, True, False]),
)
emit(
    "4d_active_R",
    "memory of R stolen (PRK, s_R); active in the change: R is safe, I is not",
    epoch({"kkbare": 1, "leak": "(prkn, sR)"}),
    labels(EL, [False, True, False, True]),
)
emit(
    "4e_statics",
    "both static keys stolen, epoch n whole; active in the change",
    epoch({"leak": "(sI, sR)"}),
    labels(EL, [True] * 4),
)
emit(
    "4e_v_nochain",
    "variant: no psk in KK; the old epoch's frames still keep him out",
    epoch({"leak": "(sI, sR)", "no_chain": 1}),
    labels(EL, [True] * 4),
)
emit(
    "4e_m_neither",
    "mutant: no psk in KK and RK frames in clear",
    epoch({"kkbare": 1, "leak": "(sI, sR)", "no_chain": 1, "no_outer": 1}),
    labels(EL, [False] * 4),
    "4e_statics",
)
FSQ = "query attacker(oldI); attacker(oldR); attacker(firstI).\n"
FSL = ["I's text of epoch n secret", "R's text of epoch n secret", "I's first text of epoch n+1 secret"]
AFT = "; phase 1; out(net, (chainq, rk(rk(ki)), rk(rk(kr)), sI, hq))"
AFR = "; phase 1; out(net, (chainq, rk(rk(ki)), rk(rk(kr)), sR, hq))"
emit(
    "4f_fs",
    "everything that section 13 leaves in epoch n+1 is stolen later: chain, current keys, static keys, h",
    epoch(dict(afterI=AFT, afterR=AFR), FSQ),
    labels(FSL, [True] * 3),
)
emit(
    "4f_m_prkn",
    "mutant: PRK_n not wiped",
    epoch(dict(afterI=AFT.replace("(chainq", "(prkn, chainq"), afterR=AFR), FSQ),
    labels(FSL, [False, False, True]),
    "4f_fs",
)
emit(
    "4f_m_prkq",
    "mutant: PRK_(n+1) not wiped",
    epoch(dict(afterI=AFT.replace("(chainq", "(prkq, chainq"), afterR=AFR), FSQ),
    labels(FSL, [True, True, False]),
    "4f_fs",
)
emit(
    "4f_m_norekey",
    "mutant: no REKEY (the key of the first frame is the key of all)",
    epoch(dict(afterI=AFT.replace("rk(rk(ki))", "ki"), afterR=AFR), FSQ),
    labels(FSL, [True, True, False]),
    "4f_fs",
)
emit(
    "4g_pq",
    "4a and X25519 broken from the beginning",
    epoch(dict(PAS, **ALL, oracles=" | DlogOracle"), SEC),
    labels(SL, [True] * 2),
)
emit(
    "4g_m_nokem",
    "mutant: no ML-KEM in the change",
    epoch(dict(PAS, **ALL, oracles=" | DlogOracle", no_kem=1), SEC),
    labels(SL, [False] * 2),
    "4g_pq",
)
emit(
    "4h_kem",
    "4a and ML-KEM broken from the beginning",
    epoch(dict(PAS, **ALL, oracles=" | KinvOracle"), SEC),
    labels(SL, [True] * 2),
)
emit(
    "4h_m_nodh",
    "mutant: no X25519 in the change",
    epoch(dict(PAS, **ALL, oracles=" | KinvOracle", no_dh=1), SEC),
    labels(SL, [False] * 2),
    "4h_kem",
)


# resume after an epoch change: PCS does not reach it
def healing(o):
    """4a shows that PRK_(n+1) is secret after a change that was only listened to; so here it is a new name prkq.  Then, in a
    later resume, psk = X("resume psk", n+1), or that of epoch 0 in the mutants."""
    t = room("m2", dict(P2, leak="   out(net, (PSKLEAK" + o["leak"] + "));\n"))
    t = t.replace(
        "new psk: bitstring;",
        "new res0: bitstring; new prkq: bitstring; "
        + ("let psk = kd(prkq, l_res) in" if not o.get("kept") else "let psk = res0 in"),
        1,
    )
    return t.replace("PSKLEAK", "res0, ")


emit(
    "4j_memI",
    "after 4a with the memory of I (resume_psk of before, s_I): a resume later",
    healing({"leak": "sI"}),
    labels(PAIR_L, [True] * 4),
)
emit(
    "4j_memboth",
    "after 4a with the memory of both: a resume later",
    healing({"leak": "sI, sR"}),
    labels(PAIR_L, [True] * 4),
)
emit(
    "4j_m_memI",
    "mutant: resume_psk is that of epoch 0 for ever; what he who has the memory of I may do to R",
    healing({"leak": "sI", "kept": 1}),
    labels(PAIR_L, [True, False, True, False]),
    "4j_memI",
)
emit(
    "4j_m_memboth",
    "mutant: resume_psk is that of epoch 0 for ever",
    healing({"leak": "sI, sR", "kept": 1}),
    labels(PAIR_L, [False] * 4),
    "4j_memboth",
)

# flat forms (handshake encryption included) of the psk modes
emit("2a_flat", "2a with the handshake's own encryption", room("m1", {"bare": 0}), labels(PAIR_L, [True] * 4))
emit(
    "3a_flat",
    "3a (not injective) with the handshake's own encryption",
    room("m2", dict(P2, bare=0)),
    labels(PAIR_L, [True] * 4),
)
emit(
    "3b_flat",
    "3b with the handshake's own encryption",
    room("m2", dict(P2, bare=0, leak="   out(net, psk);\n")),
    labels(PAIR_L, [True] * 4),
)
