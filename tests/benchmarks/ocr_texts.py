"""What the pages of the OCR report say: plain prose in six languages, and one that the engine does not read."""

from __future__ import annotations

PROSE = {
    "en": """The harbour office wrote to us on 14 March 2024 about the lease of the premises at 27 Quay Street. \
Three of the twelve windows on the ground floor do not close, and the roof above the archive has been leaking since January. \
We asked the Northern Timber Company for an estimate; it came to 1,284.50 pounds, planed oak included. \
Please let us know within thirty days whether you agree, and who is to pay for the scaffolding. \
The keys are with Mrs Whitfield, who can be reached every morning between nine and eleven. \
In the meantime the boxes with the ledgers of 1911 to 1938 have been moved to a dry room upstairs. \
Nobody has counted them yet, but there must be more than four hundred. \
Yours faithfully, on behalf of the committee.""",
    "de": """Das Hafenamt schrieb uns am 14. März 2024 wegen der Miete für die Räume in der Kaistraße 27. \
Drei der zwölf Fenster im Erdgeschoß schließen nicht, und das Dach über dem Archiv ist seit Jänner undicht. \
Wir haben bei der Nordischen Holzgesellschaft angefragt; das Angebot lautet auf 1.284,50 Euro, gehobelte Eichenbohlen eingeschlossen. \
Bitte teilen Sie uns binnen dreißig Tagen mit, ob Sie einverstanden sind und wer das Gerüst bezahlt. \
Die Schlüssel liegen bei Frau Weißfeld, die jeden Vormittag zwischen neun und elf Uhr zu erreichen ist. \
Inzwischen wurden die Kisten mit den Büchern der Jahre 1911 bis 1938 in ein trockenes Zimmer im Obergeschoß gebracht. \
Gezählt hat sie noch niemand, aber es müssen über vierhundert sein. \
Mit freundlichen Grüßen im Namen des Ausschusses.""",
    "fr": """La capitainerie nous a écrit le 14 mars 2024 au sujet du bail des locaux situés au 27, rue du Quai. \
Trois des douze fenêtres du rez-de-chaussée ne ferment plus, et le toit au-dessus des archives fuit depuis janvier. \
Nous avons demandé un devis à la Société des bois du Nord ; il s'élève à 1284,50 euros, chêne raboté compris. \
Veuillez nous faire savoir sous trente jours si vous êtes d'accord, et qui prendra en charge l'échafaudage. \
Les clés se trouvent chez Mme Lefèvre, que l'on peut joindre chaque matin entre neuf et onze heures. \
Entre-temps, les caisses contenant les registres de 1911 à 1938 ont été déplacées dans une pièce sèche à l'étage. \
Personne ne les a encore comptées, mais il doit y en avoir plus de quatre cents. \
Veuillez agréer nos salutations distinguées, au nom du comité.""",
    "es": """La oficina del puerto nos escribió el 14 de marzo de 2024 sobre el alquiler de los locales de la calle del Muelle 27. \
Tres de las doce ventanas de la planta baja no cierran, y el tejado del archivo tiene goteras desde enero. \
Pedimos un presupuesto a la Compañía Maderera del Norte; asciende a 1.284,50 euros, incluidas las tablas de roble cepilladas. \
Les rogamos que nos digan en un plazo de treinta días si están de acuerdo y quién pagará el andamio. \
Las llaves las tiene la señora Núñez, a quien se puede llamar cada mañana entre las nueve y las once. \
Mientras tanto, las cajas con los libros de 1911 a 1938 se han llevado a una habitación seca del piso de arriba. \
Nadie las ha contado todavía, pero debe de haber más de cuatrocientas. \
Atentamente, en nombre de la comisión.""",
    "it": """L'ufficio del porto ci ha scritto il 14 marzo 2024 a proposito dell'affitto dei locali di via del Molo 27. \
Tre delle dodici finestre al pianterreno non si chiudono più, e il tetto sopra l'archivio perde acqua da gennaio. \
Abbiamo chiesto un preventivo alla Società Legnami del Nord; ammonta a 1.284,50 euro, compresa la quercia piallata. \
Vi preghiamo di farci sapere entro trenta giorni se siete d'accordo e chi pagherà l'impalcatura. \
Le chiavi sono dalla signora Bianchi, che è reperibile ogni mattina fra le nove e le undici. \
Nel frattempo le casse con i registri dal 1911 al 1938 sono state portate in una stanza asciutta al piano di sopra. \
Nessuno le ha ancora contate, ma devono essere più di quattrocento perché così è. \
Distinti saluti, a nome del comitato.""",
    "zh": """港务局于2024年3月14日来信,谈到码头街27号房屋的租约。底层十二扇窗户中有三扇关不上,档案室上方的屋顶从一月起一直漏水。\
我们请北方木材公司作了估价,总数为1284元,包括刨光的橡木板。请在三十天内告诉我们是否同意,以及由谁支付脚手架的费用。\
钥匙在王女士那里,每天上午九点到十一点可以找到她。其间,装有1911年至1938年账簿的箱子已经搬到楼上一间干燥的房间里。\
还没有人数过,但一定超过四百个。此致敬礼,委员会代表。""",
    "ru": """Портовое управление написало нам 14 марта 2024 года об аренде помещений на Набережной улице, дом 27. \
Три из двенадцати окон первого этажа не закрываются, а крыша над архивом протекает с января. \
Мы запросили смету у Северной лесной компании; она составила 1284 рубля, включая строганый дуб. \
Просим сообщить в течение тридцати дней, согласны ли вы и кто оплатит строительные леса.""",
}
ITEMS = [
    ("Oak planks, planed on both sides", "12", "64.20", "770.40"),
    ("Brass hinges 80 mm", "24", "3.15", "75.60"),
    ("Window putty, linseed, 5 kg", "3", "18.90", "56.70"),
    ("Glass pane 42 x 60 cm", "6", "11.25", "67.50"),
    ("Carriage and packing", "1", "48.00", "48.00"),
    ("Slate hooks, copper", "150", "0.42", "63.00"),
    ("Ridge tiles, hand made", "18", "7.80", "140.40"),
    ("Lead flashing, per metre", "9", "22.50", "202.50"),
]
FORM = [
    ("Invoice number", "2024-0381"),
    ("Date of issue", "24.11.2026"),
    ("Customer", "Harbour Office"),
    ("Delivery address", "27 Quay Street"),
    ("Order reference", "HB 11/7734"),
    ("Contact", "Mrs Whitfield"),
    ("Terms of payment", "30 days net"),
    ("Amount due", "1,424.10"),
]
