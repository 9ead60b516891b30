"""English for every answer of the food task, for learners who do not read Chinese."""

from course_lib.mini.food_dishes import CUISINES

# fmt: off
FLAVOURS = {
    "香辣浓郁": "fragrant, hot and rich", "孜然味浓，外焦里嫩": "full of cumin, crisp outside and tender inside",
    "油润咸香": "glossy, savoury", "麦香酥脆": "crisp, tasting of wheat", "麻辣鲜烫": "numbing, hot and steaming",
    "麻辣鲜嫩": "numbing, hot and tender", "干香麻辣": "dry-fried, numbing and hot", "咸鲜微辣": "savoury, slightly hot",
    "汤浓肉香": "thick soup, fragrant meat", "酸辣油香": "sour, hot, with fragrant oil", "清汤鲜香": "clear, savoury broth",
    "酸鲜开胃": "sour and appetising", "辣香脆爽": "hot and crisp", "酸辣酥脆": "sour, hot and crisp",
    "酸甜酥脆": "sweet-and-sour and crisp", "咸香清淡": "salty and light", "清鲜柔和": "fresh and mild",
    "蟹肉鲜甜，蟹黄油润": "sweet crab, rich roe", "鲜甜弹牙": "sweet and springy", "甜咸松软": "sweet, salty and fluffy",
    "皮爽肉滑": "crisp skin, silky meat", "清甜鲜嫩": "sweet, fresh and tender", "鲜辣下饭": "hot, made to go with rice",
    "咸香鲜辣": "savoury and hot", "甜咸软糯": "sweet, salty and melting", "醇厚鲜香": "mellow and rich",
    "咸甜微辣": "salty, sweet, slightly hot", "外酥里鲜": "crisp outside, juicy inside", "酸甜清香": "sweet-and-sour, delicate",
    "清淡鲜嫩": "light and tender", "酥烂不腻": "melting, never greasy", "酸甜外酥": "sweet-and-sour, crisp outside",
    "鲜香醇厚": "savoury and mellow", "酸香爽口": "pleasantly sour and refreshing",
}
REGIONS = {
    "新疆沙湾": "Shawan, Xinjiang", "新疆和田": "Hotan, Xinjiang", "新疆喀什": "Kashgar, Xinjiang", "新疆库车": "Kuqa, Xinjiang",
    "四川成都": "Chengdu, Sichuan", "重庆": "Chongqing", "重庆歌乐山": "Mount Gele, Chongqing", "陕西西安": "Xi'an, Shaanxi",
    "陕西咸阳": "Xianyang, Shaanxi", "甘肃兰州": "Lanzhou, Gansu", "贵州凯里": "Kaili, Guizhou", "贵州贵阳": "Guiyang, Guizhou",
    "贵州遵义": "Zunyi, Guizhou", "江苏苏州": "Suzhou, Jiangsu", "江苏南京": "Nanjing, Jiangsu", "江苏扬州": "Yangzhou, Jiangsu",
    "江苏昆山": "Kunshan, Jiangsu", "广东广州": "Guangzhou, Guangdong", "广东湛江": "Zhanjiang, Guangdong",
    "广东深圳": "Shenzhen, Guangdong", "湖南长沙": "Changsha, Hunan", "湖南衡阳": "Hengyang, Hunan", "湖南韶山": "Shaoshan, Hunan",
    "福建福州": "Fuzhou, Fujian", "福建厦门": "Xiamen, Fujian", "福建泉州": "Quanzhou, Fujian", "浙江杭州": "Hangzhou, Zhejiang",
    "黑龙江哈尔滨": "Harbin, Heilongjiang", "吉林长白山": "Changbai Mountains, Jilin", "辽宁沈阳": "Shenyang, Liaoning",
}
SERVINGS = {
    "大盘盛装，配上宽面": "on a big plate, with broad noodles", "长签串好，撒上孜然": "on long skewers, sprinkled with cumin",
    "米饭上盖大块羊肉": "large pieces of lamb on rice", "几个叠放在木板上": "several, stacked on a board",
    "红油满碗，撒上葱花": "a bowl full of red oil, with chopped scallion",
    "大锅红油，铺满辣椒": "a large pot of red oil covered with chillies",
    "鸡块藏在辣椒堆里": "pieces of chicken hidden in a heap of chillies", "肉片配青蒜装盘": "sliced pork plated with garlic leaves",
    "大碗装，馍泡在汤里": "in a large bowl, bread soaking in the soup", "面上盖辣椒，浇热油": "noodles topped with chilli and hot oil",
    "一碗清汤，牛肉薄片": "a bowl of clear soup, thin slices of beef", "整鱼煮在酸汤锅里": "whole fish simmered in a pot of sour soup",
    "红油面上盖脆肉": "noodles in red oil topped with crisp pork", "整鱼油炸，浇上红汁": "whole fish, fried, under a red sauce",
    "形如松鼠，浇上甜汁": "shaped like a squirrel, under a sweet sauce", "切块摆盘，皮白肉嫩": "in pieces, pale skin and tender meat",
    "细丝堆高，配上虾仁": "fine threads heaped high, with shrimps", "整只蒸好，配上姜醋": "steamed whole, with ginger and vinegar",
    "小笼蒸好，皮薄透亮": "steamed in a small basket, thin and translucent",
    "整笼上桌，顶上开花": "the whole steamer at the table, tops split open",
    "切块拼盘，配姜葱汁": "in pieces, with ginger and scallion sauce", "整虾围成一圈，配酱油": "whole shrimps in a circle, with soy sauce",
    "鱼头上铺满红剁椒": "the fish head covered with red chopped chilli", "青椒肉片同炒装盘": "green peppers and pork fried together",
    "肉块红亮，整碗上桌": "glossy red pieces of pork, by the bowl",
    "海味同煨，整锅上桌": "seafood simmered together, the whole pot served",
    "汤色橙黄，配料满碗": "an orange soup with a bowl full of toppings",
    "煎成圆饼，配甜辣酱": "fried into a round, with sweet chilli sauce",
    "整鱼装盘，浇糖醋汁": "a whole fish under sugar-and-vinegar sauce", "虾仁洁白，撒上茶叶": "white shrimps scattered with tea leaves",
    "大块方肉，小锅上桌": "large square pieces of pork in a small pot", "金黄肉片，堆成小山": "golden slices of pork, piled up",
    "铁锅炖好，热气腾腾": "stewed in an iron pot, steaming", "整盘水饺，配上蒜汁": "a plate of dumplings with garlic sauce",
}
# fmt: on

GLOSSES = {**CUISINES, **FLAVOURS, **REGIONS, **SERVINGS}
