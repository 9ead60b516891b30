"""The dishes of the food task: what is true of each, and how it looks when composed from the generic sprites."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Part:
    """Things of one kind in a dish: how many (least, most), how large against the container, and in which layout."""

    sprite: str
    colour: str
    count: tuple[int, int]
    size: float
    layout: str  # "centre", "ring", "pile", "row" or "beside"


@dataclass(frozen=True)
class Look:
    """A dish's visual recipe, its parts from the bottom up."""

    container: str
    container_colour: str
    filling: str  # "soup", "sauce", "rice" or "none"
    filling_colour: str
    garnish: str  # a name of food_scene.GARNISHES
    parts: tuple[Part, ...]

    @property
    def signature(self) -> tuple:
        """What tells this dish from the others at a glance."""
        main = self.parts[-1] if len(self.parts) == 1 else max(self.parts, key=lambda part: part.size * part.count[1])
        return (self.container, self.container_colour, self.filling, self.filling_colour, main.sprite, main.colour)


@dataclass(frozen=True)
class Dish:
    """One dish: its names, the right answers to the four questions, and its look."""

    name: str
    pinyin: str
    english: str
    cuisine: str
    flavour: str
    region: str
    serving: str
    ingredients: tuple[str, ...]
    look: Look


CUISINES = {
    "新疆菜": "Xinjiang cuisine",
    "川菜": "Sichuan cuisine",
    "西北菜": "Northwestern cuisine",
    "黔菜": "Guizhou cuisine",
    "苏菜": "Jiangsu cuisine",
    "粤菜": "Cantonese cuisine",
    "湘菜": "Hunan cuisine",
    "闽菜": "Fujian cuisine",
    "浙菜": "Zhejiang cuisine",
    "东北菜": "Northeastern cuisine",
}

# fmt: off
DISHES = (
    # 新疆菜
    Dish("大盘鸡", "dàpánjī", "big-plate chicken", "新疆菜",
         "香辣浓郁", "新疆沙湾", "大盘盛装，配上宽面", ("鸡肉", "土豆", "辣椒"),
         Look("plate", "blue", "sauce", "orange", "sesame", (
             Part("noodles", "yellow", (2, 3), 0.34, "centre"),
             Part("drumstick", "brown", (4, 5), 0.27, "ring"),
             Part("chilli", "green", (3, 4), 0.2, "pile"),
         ))),
    Dish("羊肉串", "yángròuchuàn", "lamb skewers", "新疆菜",
         "孜然味浓，外焦里嫩", "新疆和田", "长签串好，撒上孜然", ("羊肉", "孜然"),
         Look("board", "yellow", "none", "yellow", "cumin", (
             Part("skewer", "brown", (4, 6), 0.62, "row"),
         ))),
    Dish("手抓饭", "shǒuzhuāfàn", "lamb pilaf", "新疆菜",
         "油润咸香", "新疆喀什", "米饭上盖大块羊肉", ("大米", "羊肉", "胡萝卜"),
         Look("plate", "green", "rice", "yellow", "none", (
             Part("meat", "brown", (3, 4), 0.27, "centre"),
         ))),
    Dish("烤馕", "kǎonáng", "baked naan", "新疆菜",
         "麦香酥脆", "新疆库车", "几个叠放在木板上", ("面粉", "芝麻"),
         Look("board", "brown", "none", "brown", "none", (
             Part("flatbread", "orange", (3, 4), 0.46, "pile"),
         ))),
    # 川菜
    Dish("麻婆豆腐", "mápó dòufu", "mapo tofu", "川菜",
         "麻辣鲜烫", "四川成都", "红油满碗，撒上葱花", ("豆腐", "牛肉末"),
         Look("bowl", "white", "soup", "red", "scallion", (
             Part("meat", "white", (7, 9), 0.19, "pile"),
         ))),
    Dish("水煮鱼", "shuǐzhǔyú", "fish in chilli broth", "川菜",
         "麻辣鲜嫩", "重庆", "大锅红油，铺满辣椒", ("鱼片", "豆芽", "辣椒"),
         Look("pot", "black", "soup", "red", "sesame", (
             Part("fish", "white", (2, 3), 0.4, "centre"),
             Part("chilli", "red", (5, 7), 0.18, "ring"),
         ))),
    Dish("辣子鸡", "làzǐjī", "chicken among chillies", "川菜",
         "干香麻辣", "重庆歌乐山", "鸡块藏在辣椒堆里", ("鸡肉", "干辣椒"),
         Look("plate", "white", "none", "white", "sesame", (
             Part("chilli", "red", (18, 22), 0.25, "pile"),
             Part("drumstick", "brown", (4, 5), 0.21, "pile"),
         ))),
    Dish("回锅肉", "huíguōròu", "twice-cooked pork", "川菜",
         "咸鲜微辣", "四川成都", "肉片配青蒜装盘", ("猪肉", "青蒜"),
         Look("plate", "black", "sauce", "red", "none", (
             Part("leaf", "green", (6, 8), 0.24, "ring"),
             Part("meat", "pink", (5, 6), 0.23, "pile"),
         ))),
    # 西北菜
    Dish("羊肉泡馍", "yángròu pàomó", "bread in lamb soup", "西北菜",
         "汤浓肉香", "陕西西安", "大碗装，馍泡在汤里", ("羊肉", "馍", "粉丝"),
         Look("bowl", "blue", "soup", "white", "scallion", (
             Part("flatbread", "yellow", (3, 4), 0.3, "ring"),
             Part("meat", "brown", (2, 3), 0.23, "centre"),
         ))),
    Dish("油泼面", "yóupōmiàn", "noodles with sizzling chilli oil", "西北菜",
         "酸辣油香", "陕西咸阳", "面上盖辣椒，浇热油", ("宽面", "辣椒", "青菜"),
         Look("bowl", "black", "none", "black", "chilli heap", (
             Part("noodles", "white", (3, 4), 0.42, "centre"),
             Part("leaf", "green", (2, 3), 0.22, "beside"),
         ))),
    Dish("兰州拉面", "lánzhōu lāmiàn", "Lanzhou pulled noodles", "西北菜",
         "清汤鲜香", "甘肃兰州", "一碗清汤，牛肉薄片", ("拉面", "牛肉", "白萝卜"),
         Look("bowl", "white", "soup", "yellow", "chilli rings", (
             Part("noodles", "yellow", (2, 3), 0.42, "centre"),
             Part("meat", "brown", (3, 4), 0.2, "ring"),
             Part("leaf", "green", (2, 3), 0.18, "beside"),
         ))),
    # 黔菜
    Dish("酸汤鱼", "suāntāngyú", "fish in sour soup", "黔菜",
         "酸鲜开胃", "贵州凯里", "整鱼煮在酸汤锅里", ("鱼", "番茄", "酸汤"),
         Look("pot", "yellow", "soup", "orange", "none", (
             Part("fish", "black", (2, 2), 0.46, "centre"),
             Part("leaf", "green", (3, 4), 0.16, "ring"),
         ))),
    Dish("肠旺面", "chángwàngmiàn", "noodles in red oil", "黔菜",
         "辣香脆爽", "贵州贵阳", "红油面上盖脆肉", ("面条", "猪肉", "豆腐"),
         Look("bowl", "green", "soup", "red", "scallion", (
             Part("noodles", "yellow", (2, 3), 0.4, "centre"),
             Part("meat", "pink", (4, 5), 0.18, "ring"),
         ))),
    Dish("糟辣脆皮鱼", "zāolà cuìpíyú", "crisp fish in pickled chilli", "黔菜",
         "酸辣酥脆", "贵州遵义", "整鱼油炸，浇上红汁", ("鱼", "糟辣椒"),
         Look("plate", "black", "sauce", "red", "chilli rings", (
             Part("fish", "brown", (1, 1), 0.68, "centre"),
             Part("chilli", "green", (4, 5), 0.18, "ring"),
         ))),
    # 苏菜
    Dish("松鼠鳜鱼", "sōngshǔ guìyú", "squirrel-shaped mandarin fish", "苏菜",
         "酸甜酥脆", "江苏苏州", "形如松鼠，浇上甜汁", ("鳜鱼", "番茄", "松子"),
         Look("plate", "white", "sauce", "red", "peas", (
             Part("fish", "orange", (1, 1), 0.8, "centre"),
         ))),
    Dish("盐水鸭", "yánshuǐyā", "salted duck", "苏菜",
         "咸香清淡", "江苏南京", "切块摆盘，皮白肉嫩", ("鸭肉", "盐", "花椒"),
         Look("plate", "blue", "none", "blue", "none", (
             Part("leaf", "green", (3, 4), 0.2, "beside"),
             Part("drumstick", "white", (4, 5), 0.31, "pile"),
         ))),
    Dish("大煮干丝", "dàzhǔ gānsī", "braised tofu threads", "苏菜",
         "清鲜柔和", "江苏扬州", "细丝堆高，配上虾仁", ("豆腐干", "虾仁", "火腿"),
         Look("bowl", "blue", "soup", "yellow", "none", (
             Part("noodles", "white", (2, 3), 0.42, "centre"),
             Part("shrimp", "pink", (3, 4), 0.22, "pile"),
         ))),
    Dish("清蒸大闸蟹", "qīngzhēng dàzháxiè", "steamed hairy crab", "苏菜",
         "蟹肉鲜甜，蟹黄油润", "江苏昆山", "整只蒸好，配上姜醋", ("大闸蟹", "姜"),
         Look("steamer", "yellow", "none", "yellow", "none", (
             Part("crab", "orange", (3, 4), 0.37, "ring"),
         ))),
    # 粤菜
    Dish("虾饺", "xiājiǎo", "shrimp dumplings", "粤菜",
         "鲜甜弹牙", "广东广州", "小笼蒸好，皮薄透亮", ("虾仁", "澄粉"),
         Look("steamer", "brown", "none", "brown", "none", (
             Part("dumpling", "pink", (4, 6), 0.31, "ring"),
         ))),
    Dish("叉烧包", "chāshāobāo", "barbecue pork buns", "粤菜",
         "甜咸松软", "广东广州", "整笼上桌，顶上开花", ("面粉", "叉烧"),
         Look("steamer", "brown", "none", "brown", "none", (
             Part("bun", "white", (3, 4), 0.4, "ring"),
         ))),
    Dish("白切鸡", "báiqiējī", "white-cut chicken", "粤菜",
         "皮爽肉滑", "广东湛江", "切块拼盘，配姜葱汁", ("鸡肉", "姜", "葱"),
         Look("plate", "white", "none", "white", "scallion", (
             Part("leaf", "green", (3, 4), 0.22, "beside"),
             Part("drumstick", "yellow", (4, 5), 0.31, "pile"),
         ))),
    Dish("白灼虾", "báizhuóxiā", "poached shrimps", "粤菜",
         "清甜鲜嫩", "广东深圳", "整虾围成一圈，配酱油", ("鲜虾", "姜"),
         Look("plate", "green", "none", "green", "dip", (
             Part("shrimp", "pink", (8, 10), 0.25, "ring"),
         ))),
    # 湘菜
    Dish("剁椒鱼头", "duòjiāo yútóu", "fish head with chopped chilli", "湘菜",
         "鲜辣下饭", "湖南长沙", "鱼头上铺满红剁椒", ("鱼头", "剁椒"),
         Look("plate", "yellow", "sauce", "red", "chilli heap", (
             Part("fish", "pink", (1, 1), 0.68, "centre"),
         ))),
    Dish("小炒肉", "xiǎochǎoròu", "stir-fried pork with peppers", "湘菜",
         "咸香鲜辣", "湖南衡阳", "青椒肉片同炒装盘", ("猪肉", "青椒"),
         Look("plate", "red", "none", "red", "none", (
             Part("chilli", "green", (8, 10), 0.25, "ring"),
             Part("meat", "brown", (5, 6), 0.21, "pile"),
         ))),
    Dish("毛氏红烧肉", "máoshì hóngshāoròu", "Mao's red-braised pork", "湘菜",
         "甜咸软糯", "湖南韶山", "肉块红亮，整碗上桌", ("五花肉", "冰糖"),
         Look("bowl", "red", "soup", "orange", "sesame", (
             Part("meat", "brown", (6, 7), 0.24, "pile"),
         ))),
    # 闽菜
    Dish("佛跳墙", "fótiàoqiáng", "Buddha jumps over the wall", "闽菜",
         "醇厚鲜香", "福建福州", "海味同煨，整锅上桌", ("鲍鱼", "海参", "蘑菇"),
         Look("pot", "brown", "soup", "orange", "none", (
             Part("mushroom", "brown", (3, 4), 0.24, "ring"),
             Part("shrimp", "orange", (2, 2), 0.24, "centre"),
             Part("egg", "white", (1, 1), 0.2, "beside"),
         ))),
    Dish("沙茶面", "shāchámiàn", "satay noodles", "闽菜",
         "咸甜微辣", "福建厦门", "汤色橙黄，配料满碗", ("面条", "沙茶酱", "虾"),
         Look("bowl", "orange", "soup", "orange", "scallion", (
             Part("noodles", "yellow", (2, 2), 0.4, "centre"),
             Part("shrimp", "pink", (3, 3), 0.22, "ring"),
             Part("egg", "white", (1, 1), 0.26, "beside"),
         ))),
    Dish("海蛎煎", "hǎilìjiān", "oyster omelette", "闽菜",
         "外酥里鲜", "福建泉州", "煎成圆饼，配甜辣酱", ("海蛎", "鸡蛋", "红薯粉"),
         Look("plate", "brown", "none", "brown", "drizzle", (
             Part("leaf", "green", (5, 6), 0.22, "ring"),
             Part("egg", "yellow", (3, 4), 0.34, "pile"),
         ))),
    # 浙菜
    Dish("西湖醋鱼", "xīhú cùyú", "West Lake fish in vinegar", "浙菜",
         "酸甜清香", "浙江杭州", "整鱼装盘，浇糖醋汁", ("草鱼", "醋", "糖"),
         Look("plate", "blue", "sauce", "brown", "scallion", (
             Part("fish", "black", (1, 1), 0.78, "centre"),
         ))),
    Dish("龙井虾仁", "lóngjǐng xiārén", "shrimps with Longjing tea", "浙菜",
         "清淡鲜嫩", "浙江杭州", "虾仁洁白，撒上茶叶", ("虾仁", "龙井茶"),
         Look("plate", "purple", "none", "purple", "none", (
             Part("shrimp", "white", (7, 9), 0.23, "pile"),
             Part("leaf", "green", (5, 6), 0.17, "ring"),
         ))),
    Dish("东坡肉", "dōngpōròu", "Dongpo pork", "浙菜",
         "酥烂不腻", "浙江杭州", "大块方肉，小锅上桌", ("五花肉", "黄酒"),
         Look("pot", "purple", "soup", "brown", "string", (
             Part("meat", "red", (2, 3), 0.33, "centre"),
         ))),
    # 东北菜
    Dish("锅包肉", "guōbāoròu", "sweet-and-sour fried pork", "东北菜",
         "酸甜外酥", "黑龙江哈尔滨", "金黄肉片，堆成小山", ("猪肉", "糖", "醋"),
         Look("plate", "white", "sauce", "orange", "scallion", (
             Part("meat", "orange", (8, 10), 0.23, "pile"),
         ))),
    Dish("小鸡炖蘑菇", "xiǎojī dùn mógu", "chicken and mushroom stew", "东北菜",
         "鲜香醇厚", "吉林长白山", "铁锅炖好，热气腾腾", ("鸡肉", "蘑菇", "粉条"),
         Look("pot", "black", "soup", "brown", "none", (
             Part("drumstick", "yellow", (3, 3), 0.27, "ring"),
             Part("mushroom", "brown", (4, 5), 0.2, "pile"),
         ))),
    Dish("酸菜水饺", "suāncài shuǐjiǎo", "pickled-cabbage dumplings", "东北菜",
         "酸香爽口", "辽宁沈阳", "整盘水饺，配上蒜汁", ("面粉", "酸菜", "猪肉"),
         Look("plate", "red", "none", "red", "dip", (
             Part("dumpling", "white", (7, 9), 0.25, "ring"),
         ))),
)
# fmt: on
